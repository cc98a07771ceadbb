#!lua flags=allow-oom
-- Let another entry enter a queue in the place of one that waits.
--
-- KEYS  1 the queue   2 queues   3 the queue that the other one enters
-- ARGV  1 the entry   2 name of the queue that the other one enters   3 the other entry
-- Result  1 if it was done, 0 if the entry was no longer there
--
-- In first, out last: whatever stops the script on its way loses nothing. The other entry comes in where all do that
-- are pushed: who reads a queue relies on it that others push and fetch at its ends, and remove.
local queue = KEYS[1]
if not redis.call('LPOS', queue, ARGV[1], 'RANK', -1) then return 0 end
redis.call('LPUSH', KEYS[3], ARGV[3])
redis.pcall('SADD', KEYS[2], ARGV[2])
redis.call('LREM', queue, -1, ARGV[1])
return 1
