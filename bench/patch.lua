-- wrk: JSON Patch on the Patients of a file (ids, one per line; environment WRK_IDS), each time another telephone number.
dofile(os.getenv("WRK_BENCH") .. "/spread.lua")
local ids = {}
local patch = { ["Content-Type"] = "application/json-patch+json", ["Prefer"] = "return=minimal" }
function init()
  for line in io.lines(os.getenv("WRK_IDS")) do ids[#ids + 1] = line end
end
function request()
  return wrk.format("PATCH", "/fhir/Patient/" .. ids[math.random(#ids)], patch,
    string.format('[{"op":"replace","path":"/telecom/0/value","value":"%d"}]', math.random(1000000000)))
end
function done(summary, latency)
  io.write(string.format("RESULT %.1f %.3f %.3f %d\n", summary.requests / (summary.duration / 1e6),
    latency:percentile(50) / 1000, latency:percentile(99) / 1000, summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout))
end
