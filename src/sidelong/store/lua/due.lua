#!lua flags=no-writes
-- What is due in the schedule and retry sets, and when the next entry will be.
--
-- KEYS  the sets
-- ARGV  1 most members per set
-- Result  1 now (epoch seconds)   then, per set: its due members, or an error text; and the earliest score or ""
local time = redis.call('TIME')
local now = string.format('%d.%06d', time[1], time[2])
local reply = {now}
for i, set in ipairs(KEYS) do
  local due = redis.pcall('ZRANGE', set, '-inf', now, 'BYSCORE', 'LIMIT', 0, ARGV[1])
  if type(due) == 'table' and due.err then
    reply[2 * i], reply[2 * i + 1] = due.err, ''
  else
    local first = redis.call('ZRANGE', set, 0, 0, 'WITHSCORES')
    reply[2 * i], reply[2 * i + 1] = due, first[2] or ''
  end
end
return reply
