-- wrk -t1: whole lifecycles, file, sign, contact, reply, visit, close. An answer puts the next act of its complaint into a queue,
-- and whichever connection is free takes from there before it files another one. The environment as for file.lua, and
-- UNIT_TOKEN for the unit's acts.
local file = assert(io.open(os.getenv("BODY")))
local before, after = file:read("a"):match("^(.*)RUN%-NUMBER(.*)$")
file:close()
local prefix = before .. os.getenv("RUN") .. "-"

local function headers(token)
  return { ["Content-Type"] = "application/json", ["Authorization"] = "Bearer " .. os.getenv(token) }
end
local centre, unit = headers("TOKEN"), headers("UNIT_TOKEN")

local acts = {
  { "sign", unit, "{}" },
  { "contact", unit, '{"reached":true,"note":"已联系"}' },
  { "reply", unit, '{"text":"已到现场劝离，并安排夜间巡查。","basis":""}' },
  { "visit", centre, '{"reached":true,"solved":true,"satisfied":true,"note":"满意"}' },
  { "close", centre, "{}" },
}
local queue, first, last = {}, 1, 0
local answered = {} -- by complaint: how many of its requests
local number = 0
finished, refused = 0, 0 -- of this thread; done() asks for them

function request()
  local id = queue[first]
  if id then
    queue[first] = nil
    first = first + 1
    local act = acts[answered[id]]
    return wrk.format("POST", "/v1/complaints/" .. id .. ":" .. act[1], act[2], act[3])
  end
  number = number + 1
  return wrk.format("POST", "/v1/complaints", centre, prefix .. number .. after)
end

function response(status, _, body)
  if status ~= 200 and status ~= 201 then
    refused = refused + 1
    if refused <= 3 then io.stderr:write(status, " ", body, "\n") end
    return
  end
  local id = body:match('"id":%s*"(%x+%-%x+%-%x+%-%x+%-%x+)"')
  answered[id] = (answered[id] or 0) + 1
  if answered[id] > #acts then
    answered[id] = nil
    finished = finished + 1
  else
    last = last + 1
    queue[last] = id
  end
end

local threads = {}
function setup(thread) threads[#threads + 1] = thread end

function done(summary, latency)
  local finished_all, refused_all = 0, 0
  for _, thread in ipairs(threads) do
    finished_all = finished_all + thread:get("finished")
    refused_all = refused_all + thread:get("refused")
  end
  io.write(string.format(
    '{"requests": %d, "finished": %d, "seconds": %.6f, "refused": %d, "broken": %d, "p50_ms": %.3f, "p99_ms": %.3f, "max_ms": %.3f}\n',
    summary.requests, finished_all, summary.duration / 1e6, refused_all,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3))
end
