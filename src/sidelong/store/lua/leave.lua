#!lua flags=allow-oom
-- Take an identity out of the owners, if all its in-flight lists are empty.
--
-- KEYS  1 lease   2 owners   3 owner-queues   4 settled   5 processes   6 work   7 workers   8 buried
--       9 process hash   10 number of the last batch of figures   then its in-flight lists
-- ARGV  1 identity   2 seconds to go on inspecting it, 0 for not at all
--       3 "1" if no batch of figures can be under way any more
-- Result  1 it left   0 a list still holds entries, or could not be read
redis.pcall('SREM', KEYS[5], ARGV[1])
redis.pcall('UNLINK', KEYS[6], KEYS[7], KEYS[9])
for i = 11, #KEYS do
  if redis.pcall('LLEN', KEYS[i]) ~= 0 then return 0 end
end
if type(redis.pcall('ZSCORE', KEYS[8], ARGV[1])) == 'string' then
  -- Already buried: it stays under inspection for as long as it was to be.
elseif tonumber(ARGV[2]) > 0 then
  -- A command cut off a moment ago may still move a job into a list of ours.
  local now = redis.call('TIME')[1]
  if type(redis.pcall('ZADD', KEYS[8], now, ARGV[1])) == 'table' then
    -- The key is ours alone: what took its place goes.
    redis.call('DEL', KEYS[8])
    redis.call('ZADD', KEYS[8], now, ARGV[1])
  end
  -- Others may be under inspection for longer.
  if redis.call('TTL', KEYS[8]) < tonumber(ARGV[2]) then redis.call('EXPIRE', KEYS[8], ARGV[2]) end
  redis.pcall('EXPIRE', KEYS[3], ARGV[2])
else
  redis.call('UNLINK', KEYS[3])
end
redis.call('UNLINK', KEYS[1], KEYS[4])
-- Without the number a late copy of a batch would be added once more.
if ARGV[3] == '1' then redis.call('UNLINK', KEYS[10]) end
redis.pcall('SREM', KEYS[2], ARGV[1])
return 1
