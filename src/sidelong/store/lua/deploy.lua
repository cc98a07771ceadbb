#!lua flags=allow-oom
-- Mark a deploy.
--
-- KEYS  1 lock of the label   2 hash of the day
-- ARGV  1 the minute, in ISO 8601   2 label   3 life of the lock (s)   4 life of the hash (s)
-- Result  1 it was marked   0 that label was a moment ago, or something was in the same minute
if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'EX', ARGV[3]) then return 0 end
local added = redis.call('HSETNX', KEYS[2], ARGV[1], ARGV[2])
redis.call('EXPIRE', KEYS[2], ARGV[4])
return added
