#!lua flags=allow-oom
-- Put entries of a dead owner's in-flight list where they can be run again.
--
-- KEYS  1 lease   2 in-flight list   3 queue list   4 dead   5 queues
-- ARGV  1 most dead entries kept   2 life of a dead entry (s)   then per entry: destination, raw, new
--         queue: to the head of the queue, as `new`      dead: to the dead set, as `new`      drop: nowhere
-- Result  "alive": it has a lease after all, nothing was done
--         or, per entry, 1 moved, 0 no longer there, or an error text; then how many dead entries were trimmed
-- A key that never expires is no lease.
if redis.call('PTTL', KEYS[1]) >= 0 then return 'alive' end
local pcall = redis.pcall
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local reply, came_back = {}, false
for at = 3, #ARGV, 3 do
  local raw, new = ARGV[at + 1], ARGV[at + 2]
  local result = pcall('LPOS', KEYS[2], raw)
  if not result then
    result = 0
  elseif type(result) == 'number' then
    if ARGV[at] == 'queue' then
      result = pcall('RPUSH', KEYS[3], new)
    elseif ARGV[at] == 'dead' then
      result = bury(KEYS[4], new, now, ARGV[1], ARGV[2])
    end
    if type(result) == 'number' then
      came_back = came_back or ARGV[at] == 'queue'
      result = pcall('LREM', KEYS[2], -1, raw)
    end
  end
  reply[#reply + 1] = type(result) == 'table' and result.err or result
end
-- Its name goes when it is cleared, also while its jobs run: without the name nobody would see what came back.
if came_back then pcall('SADD', KEYS[5], string.match(KEYS[3], ':(.*)')) end
reply[#reply + 1] = trimmed
return reply
