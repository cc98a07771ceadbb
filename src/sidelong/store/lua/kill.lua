#!lua flags=allow-oom
-- Add payloads to the dead set that come from outside, and trim it.
--
-- KEYS  1 dead
-- ARGV  1 most dead entries kept   2 life of a dead entry (s)   3 "1" to trim   then the payloads
-- Result  1 how many dead entries were trimmed, or an error text
local time = redis.call('TIME')
local now = tonumber(string.format('%d.%06d', time[1], time[2]))
for at = 4, #ARGV do
  local reply = redis.pcall('ZADD', KEYS[1], string.format('%.6f', now), ARGV[at])
  if type(reply) == 'table' then return reply end
end
if ARGV[3] == '1' then trim(KEYS[1], now, ARGV[1], ARGV[2]) end
return trimmed
