-- Distinct valid deliveries: every request of every thread names a recording of its own. Prints one line of figures.
local threads = 0
function setup(thread) thread:set("number", threads); threads = threads + 1 end

local count = 0
function init(args) run = args[1] end

function request()
  count = count + 1
  local id = string.format("%s-%d-%d", run, number, count)
  local body = string.format([[{"meeting":{"_id":"m-%s","name":"Weekly","start_date":1795334400,"end_date":1795338000,"host_id":7},"hostUser":{"id":7,"full_name":"Sam Fisher","login":"sam","email":"sam@example.com"},"callRecords":[{"_id":"%s","room_id":"m-%s","participants_ids":[7,8],"participants_count":2,"file_uid":"u-%s","duration":3600.5,"size":12.5,"created_at":"2026-11-22T10:00:00Z","updated_at":"2026-11-22T10:00:00Z","download_url":"https://x.s3.amazonaws.com/videos/%s?AWSAccessKeyId=K&Expires=9999999999&Signature=s1gn"}]}]], id, id, id, id, id)
  return wrk.format("POST", nil, {["Content-Type"] = "application/json"}, body)
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format('{"requests":%d,"duration_us":%d,"p50_us":%d,"p99_us":%d,"refused":%d,"broken":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), errors.status,
    errors.connect + errors.read + errors.write + errors.timeout))
end
