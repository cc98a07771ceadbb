#!lua flags=allow-oom
-- Declare an owner dead, so that only one process recovers its jobs and the owner learns of it.
--
-- KEYS  1 lease   2 buried   3 recovery lock   4 owner-queues   5 processes   6 owners
-- ARGV  1 identity   2 who recovers   3 life of the lock (ms)   4 how long a buried owner is inspected (s)
-- Result  "alive": it has a lease after all   "locked": another process is recovering
--         or the names of the queues it fetched from
if redis.call('EXISTS', KEYS[1]) == 1 then return 'alive' end
if not redis.call('SET', KEYS[3], ARGV[2], 'PX', ARGV[3], 'NX') then
  if redis.call('GET', KEYS[3]) ~= ARGV[2] then return 'locked' end
  redis.call('PEXPIRE', KEYS[3], ARGV[3])
end
local life = tonumber(ARGV[4])
local now = tonumber(redis.call('TIME')[1])
if redis.call('ZADD', KEYS[2], 'NX', now, ARGV[1]) == 1 then
  redis.call('EXPIRE', KEYS[2], life)
  redis.call('EXPIRE', KEYS[4], life)
end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - life)
redis.pcall('SREM', KEYS[5], ARGV[1])
return redis.call('SMEMBERS', KEYS[4])
