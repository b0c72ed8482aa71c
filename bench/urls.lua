-- wrk: requests the paths of a file (one per line; environment WRK_URLS), each thread from its own place on.
dofile(os.getenv("WRK_BENCH") .. "/spread.lua")
local paths, at = {}, 0
function init(args)
  for line in io.lines(os.getenv("WRK_URLS")) do paths[#paths + 1] = line end
  math.randomseed(os.time())
  at = math.random(#paths)
end
function request()
  at = at % #paths + 1
  return wrk.format("GET", paths[at])
end
local errors = 0
function response(status)
  if status ~= 200 then errors = errors + 1 end
end
function done(summary, latency)
  io.write(string.format("RESULT %.1f %.3f %.3f %d\n", summary.requests / (summary.duration / 1e6),
    latency:percentile(50) / 1000, latency:percentile(99) / 1000, summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout))
end
