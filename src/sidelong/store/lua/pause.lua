#!lua flags=allow-oom
-- Pause a queue or end its pause, also where memory is full: that is when a queue is paused.
--
-- KEYS  1 paused
-- ARGV  1 SADD or SREM   2 name of the queue
-- Result  1 if that changed something, else 0
return redis.call(ARGV[1], KEYS[1], ARGV[2])
