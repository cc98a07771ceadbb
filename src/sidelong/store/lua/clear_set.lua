#!lua flags=allow-oom
-- Remove a set with all it holds, unless the key is no set at all.
--
-- KEYS  1 the set
-- ARGV  none
-- Result  how many members it had
local size = redis.call('ZCARD', KEYS[1])
redis.call('UNLINK', KEYS[1])
return size
