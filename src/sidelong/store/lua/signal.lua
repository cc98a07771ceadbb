#!lua flags=allow-oom
-- Leave a remote signal for a process (wire-format §9.4).
--
-- KEYS  1 its signals
-- ARGV  1 the signal   2 life of the list (s)
-- Result  how many signals wait
local length = redis.call('LPUSH', KEYS[1], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[2])
return length
