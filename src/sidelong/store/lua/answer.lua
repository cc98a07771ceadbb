#!lua flags=allow-oom
-- Note what a worker answers to a question. Its first answer stands: a question that was sent again, because the worker
-- took its time, finds a job gone that the first one has called off.
--
-- KEYS  1 answers to the question
-- ARGV  1 identity of the worker   2 its answer   3 life of the answers (s)
-- Result  1
if type(redis.pcall('HSETNX', KEYS[1], ARGV[1], ARGV[2])) == 'table' then
  -- The key is ours alone: what took its place goes.
  redis.call('DEL', KEYS[1])
  redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2])
end
return redis.call('EXPIRE', KEYS[1], ARGV[3])
