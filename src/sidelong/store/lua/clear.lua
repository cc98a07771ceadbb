#!lua flags=allow-oom
-- Empty a queue and forget its name, as Sidekiq does.
--
-- KEYS  1 the queue   2 queues
-- ARGV  1 name of the queue
-- Result  how many entries it had
local length = redis.call('LLEN', KEYS[1])
redis.call('UNLINK', KEYS[1])
redis.pcall('SREM', KEYS[2], ARGV[1])
return length
