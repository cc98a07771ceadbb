#!lua flags=allow-oom
-- Put a message into the control lists of living workers.
--
-- KEYS  1 owners   2 processes
-- ARGV  1 prefix of lease keys   2 prefix of control lists   3 message   4 life of a list (s)
--       5 most messages in a list   then the identities meant; all owners if there is none, all processes if
--       those cannot be read: whoever is no worker of ours has no lease
-- Result  those that have a lease and were told
local identities = {unpack(ARGV, 6)}
if #identities == 0 then
  identities = redis.pcall('SMEMBERS', KEYS[1])
  if identities.err then identities = redis.pcall('SMEMBERS', KEYS[2]) end
  if identities.err then return redis.error_reply(identities.err) end
end
local told = {}
for _, identity in ipairs(identities) do
  -- A key that never expires is no lease.
  if redis.call('PTTL', ARGV[1] .. identity) >= 0 then
    local list = ARGV[2] .. identity
    if type(redis.pcall('RPUSH', list, ARGV[3])) == 'table' then
      -- The key is ours alone: what took its place goes.
      redis.call('DEL', list)
      redis.call('RPUSH', list, ARGV[3])
    end
    redis.call('LTRIM', list, -tonumber(ARGV[5]), -1)
    redis.call('EXPIRE', list, ARGV[4])
    told[#told + 1] = identity
  end
end
return told
