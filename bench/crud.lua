-- wrk: create, read, update, search and delete Patients in equal parts. What was created is remembered by its Location;
-- the oldest go first, and only younger ones are read, so that no request meets one that another is about to delete.
dofile(os.getenv("WRK_BENCH") .. "/spread.lua")
local live, first, last = {}, 1, 0
local made, turn, errors = 0, 0, 0
local json = { ["Content-Type"] = "application/fhir+json", ["Prefer"] = "return=minimal" }

local function patient(number, id, phone)
  return string.format('{"resourceType":"Patient",%s"identifier":[{"system":"http://example.org/crud","value":"%d"}],'
    .. '"name":[{"family":"Mix%d","given":["Ann"]}],"telecom":[{"system":"phone","value":"%d"}],"gender":"female","birthDate":"1970-01-%02d"}',
    id and '"id":"' .. id .. '",' or "", number, number % 1000, phone, number % 28 + 1)
end

local function create()
  if made == 0 then made = turn_of_thread * 100000000 end -- no two threads make the same
  made = made + 1
  return wrk.format("POST", "/fhir/Patient", json, patient(made, nil, made))
end

-- One of the younger half.
local function some()
  local from = first + math.floor((last - first) / 2)
  return live[math.random(from, last)]
end

local others = {
  function() return wrk.format("GET", "/fhir/Patient/" .. some().id) end,
  function()
    local one = some()
    return wrk.format("PUT", "/fhir/Patient/" .. one.id, json, patient(one.number, one.id, math.random(1000000000)))
  end,
  function() return wrk.format("GET", "/fhir/Patient?identifier=http%3A%2F%2Fexample.org%2Fcrud%7C" .. some().number) end,
  function()
    local one = live[first]
    live[first] = nil
    first = first + 1
    return wrk.format("DELETE", "/fhir/Patient/" .. one.id)
  end,
}

function request()
  if last - first < 1000 then return create() end
  turn = turn % 5 + 1
  return turn == 5 and create() or others[turn]()
end

function response(status, headers)
  if status >= 400 then errors = errors + 1 end
  if status == 201 and headers["Location"] then
    local id = string.match(headers["Location"], "Patient/([^/]+)")
    last = last + 1
    live[last] = { id = id, number = last }
  end
end

function done(summary, latency)
  io.write(string.format("RESULT %.1f %.3f %.3f %d\n", summary.requests / (summary.duration / 1e6),
    latency:percentile(50) / 1000, latency:percentile(99) / 1000, summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout))
end
