#!lua flags=allow-oom
-- Note which job a worker is about to run alone, because two crashes point at it.
--
-- KEYS  1 mark of the worker
-- ARGV  1 jid   2 life of the mark (s)
-- Result  OK
return redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
