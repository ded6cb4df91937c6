-- wrk: one complaint a request, of a number of its own; done() prints what was counted as JSON.
-- Environment: TOKEN, RUN (makes the numbers of this run its own), DELAY_MS (mean pause of a connection; 0 = none), BODY (a
-- file: the complaint's JSON with RUN-NUMBER where the number goes), ROUTE.
local file = assert(io.open(os.getenv("BODY")))
local before, after = file:read("a"):match("^(.*)RUN%-NUMBER(.*)$")
file:close()
local prefix = before .. os.getenv("RUN") .. "-"
local delay_ms = tonumber(os.getenv("DELAY_MS") or "0")
local headers = { ["Content-Type"] = "application/json", ["Authorization"] = "Bearer " .. os.getenv("TOKEN") }
local number = 0

function request()
  number = number + 1
  return wrk.format("POST", os.getenv("ROUTE"), headers, prefix .. number .. after)
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
