-- wrk: a question a request, drawn anew from a file of bodies, a JSON object a line; without a file, a GET.
-- Arguments: the file; the API key; for how many milliseconds, on average, a connection rests before each request.
-- Any may be empty.
local bodies = {}

function init(args)
  if args[2] ~= "" then wrk.headers["Authorization"] = "Bearer " .. args[2] end
  local rest = tonumber(args[3])
  if rest then delay = function() return math.random(2 * rest) end end
  if args[1] == "" then return end
  for line in io.lines(args[1]) do bodies[#bodies + 1] = line end
  math.randomseed(os.time())
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
end

function request()
  return wrk.format(nil, nil, nil, bodies[1] and bodies[math.random(#bodies)])
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format('\n{"requests": %d, "seconds": %f, "p50_ms": %f, "p99_ms": %f, "errors": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
