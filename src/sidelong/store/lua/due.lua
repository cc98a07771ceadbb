#!lua flags=no-writes
-- What is due in the schedule and retry sets, when the next entry will be, and which queues are paused.
--
-- KEYS  1 paused   then the sets
-- ARGV  1 most members per set   then names of queues
-- Result  1 now (epoch seconds)   2 per queue 1 if it is paused, or an error text
--         then, per set: its due members, or an error text; and the earliest score or ""
local time = redis.call('TIME')
local now = string.format('%d.%06d', time[1], time[2])
local paused = {}
if #ARGV > 1 then paused = redis.pcall('SMISMEMBER', KEYS[1], unpack(ARGV, 2)) end
local reply = {now, paused.err or paused}
for i = 2, #KEYS do
  local due = redis.pcall('ZRANGE', KEYS[i], '-inf', now, 'BYSCORE', 'LIMIT', 0, ARGV[1])
  if type(due) == 'table' and due.err then
    reply[2 * i - 1], reply[2 * i] = due.err, ''
  else
    local first = redis.call('ZRANGE', KEYS[i], 0, 0, 'WITHSCORES')
    reply[2 * i - 1], reply[2 * i] = due, first[2] or ''
  end
end
return reply
