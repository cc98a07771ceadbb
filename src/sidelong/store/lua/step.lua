#!lua flags=allow-oom
-- Look whether a step of a job has finished, or remember that it has. The first record stands: a second run of the job
-- may be under way, and a call is repeated if its reply is lost.
--
-- KEYS  1 steps of the job
-- ARGV  1 name of the step   2 life of all steps (s)   then, unless it is only looked:
--       3 HSETNX, or HSET to replace what is remembered   4 what to remember
-- Result  what is remembered of the step, or nil
if ARGV[3] then redis.call(ARGV[3], KEYS[1], ARGV[1], ARGV[4]) end
local remembered = redis.call('HGET', KEYS[1], ARGV[1])
-- Another step may have asked for a longer life. A key that never expires is not left so.
if redis.call('PTTL', KEYS[1]) < 1000 * ARGV[2] then redis.call('EXPIRE', KEYS[1], ARGV[2]) end
return remembered
