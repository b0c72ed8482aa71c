-- wrk: each thread talks to one of the servers in turn (environment WRK_PORTS), as connections behind a load balancer do.
local threads = 0
function setup(thread)
  local ports = {}
  for port in string.gmatch(os.getenv("WRK_PORTS") or "", "%d+") do ports[#ports + 1] = port end
  if #ports > 0 then thread.addr = wrk.lookup("127.0.0.1", ports[threads % #ports + 1])[1] end
  thread:set("turn_of_thread", threads)
  threads = threads + 1
end
