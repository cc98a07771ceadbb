#!lua flags=allow-oom
-- Declare an owner dead, so that only one process recovers its jobs and the owner learns of it.
--
-- KEYS  1 lease   2 buried   3 recovery lock   4 owner-queues   5 processes   6 queues
-- ARGV  1 identity   2 who recovers   3 life of the lock (ms)   4 how long a buried owner is inspected (s)
-- Result  "alive": it has a lease after all   "locked": another process is recovering
--         or the names of the queues it fetched from; of all queues, if nobody knows any more
--
-- A lease or lock that never expires is none of ours: whatever took its place must not keep jobs from being recovered.
if redis.call('PTTL', KEYS[1]) >= 0 then return 'alive' end
if redis.call('PTTL', KEYS[3]) >= 0 and redis.pcall('GET', KEYS[3]) ~= ARGV[2] then return 'locked' end
redis.call('SET', KEYS[3], ARGV[2], 'PX', ARGV[3])
local life = tonumber(ARGV[4])
local now = tonumber(redis.call('TIME')[1])
local added = redis.pcall('ZADD', KEYS[2], 'NX', now, ARGV[1])
if type(added) == 'table' then
  redis.call('DEL', KEYS[2])
  added = redis.call('ZADD', KEYS[2], now, ARGV[1])
end
if added == 1 then redis.call('EXPIRE', KEYS[2], life) end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - life)
-- Renewed each time: as long as jobs cannot be moved, the names of their queues must not be forgotten.
redis.call('EXPIRE', KEYS[4], life)
redis.pcall('SREM', KEYS[5], ARGV[1])
local names = redis.pcall('SMEMBERS', KEYS[4])
if not names.err and #names > 0 then return names end
names = redis.pcall('SMEMBERS', KEYS[6])
return names.err and {} or names
