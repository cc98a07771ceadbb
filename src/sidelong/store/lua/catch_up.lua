#!lua flags=allow-oom
-- Copy what was pushed to a queue since it was read to the front of the list of what stays.
--
-- KEYS  1 the queue   2 what stays
-- ARGV  1 the entry that was pushed last when it was read   2 most entries   3 life of what stays (s)
-- Result  1 how many were copied   2 the entry that was pushed last by now   or -1 if the one that was is not there
local place = redis.call('LPOS', KEYS[1], ARGV[1])
if not place then return {-1, ''} end
local count = math.min(place, tonumber(ARGV[2]))
if count == 0 then return {0, ARGV[1]} end
local entries = redis.call('LRANGE', KEYS[1], place - count, place - 1)
for i = count, 1, -1 do redis.call('LPUSH', KEYS[2], entries[i]) end
redis.call('EXPIRE', KEYS[2], ARGV[3])
return {count, entries[1]}
