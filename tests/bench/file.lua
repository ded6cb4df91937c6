-- wrk -t1: one complaint a request, from the lines of a file by turns; done() prints what was counted as JSON.
-- Environment: FILINGS (lines of TOKEN, tab, JSON with RUN-NUMBER where the complaint's number goes), RUN (makes the numbers of
-- this run its own), DELAY_MS (mean pause of a connection, to the half; 0 = none).
local run = os.getenv("RUN") .. "-"
local filings, number = {}, 0
for line in io.lines(os.getenv("FILINGS")) do
  local token, before, after = line:match("^(%S+)\t(.*)RUN%-NUMBER(.*)$")
  filings[#filings + 1] = {
    headers = { ["Content-Type"] = "application/json", ["Authorization"] = "Bearer " .. token },
    before = before .. run,
    after = after,
  }
end
local delay_ms = tonumber(os.getenv("DELAY_MS") or "0")

function request()
  number = number + 1
  local filing = filings[number % #filings + 1]
  return wrk.format("POST", "/v1/complaints", filing.headers, filing.before .. number .. filing.after)
end

if delay_ms > 0 then
  -- Uniform, so that connections do not march in step.
  function delay() return math.random(0, 2 * delay_ms) end
end

function done(summary, latency)
  io.write(string.format(
    '{"requests": %d, "seconds": %.6f, "refused": %d, "broken": %d, "p50_ms": %.3f, "p99_ms": %.3f, "max_ms": %.3f}\n',
    summary.requests, summary.duration / 1e6, summary.errors.status,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3))
end
