-- wrk: one complaint a request, of a number of its own; done() prints what was counted as JSON.
-- Environment: TOKEN, RUN (makes the numbers of this run its own), DELAY_MS (mean pause of a connection; 0 = none), BODY (a
-- file: the complaint's JSON with RUN-NUMBER where the number goes), ROUTE, HISTOGRAM (set: done() tells all latencies too,
-- as [microseconds, how often], so that runs can be added up).
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

local function histogram(latency)
  if not os.getenv("HISTOGRAM") then return "" end
  local bars = {}
  for i = 1, #latency do
    local microseconds, count = latency(i)
    bars[i] = string.format("[%d, %d]", microseconds, count)
  end
  return ', "histogram": [' .. table.concat(bars, ", ") .. "]"
end

function done(summary, latency)
  io.write(string.format(
    '{"requests": %d, "seconds": %.6f, "refused": %d, "broken": %d, "p50_ms": %.3f, "p99_ms": %.3f, "max_ms": %.3f%s}\n',
    summary.requests, summary.duration / 1e6, summary.errors.status,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3, histogram(latency)))
end
