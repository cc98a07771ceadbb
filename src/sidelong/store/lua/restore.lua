#!lua flags=allow-oom
-- Make identities owners again that the owners set has lost, so that the dead among them are found.
--
-- KEYS  1 owners   2 buried   then the lease of each identity
-- ARGV  the identities
-- Result  those that were added: they are no owners, were never declared dead, and have no lease
local added = {}
for i, identity in ipairs(ARGV) do
  local buried = redis.pcall('ZSCORE', KEYS[2], identity)
  if type(buried) ~= 'string' and redis.call('PTTL', KEYS[2 + i]) < 0 then
    local reply = redis.pcall('SADD', KEYS[1], identity)
    if type(reply) == 'table' then
      -- The key is ours alone: what took its place goes.
      redis.call('DEL', KEYS[1])
      reply = redis.call('SADD', KEYS[1], identity)
    end
    if reply == 1 then added[#added + 1] = identity end
  end
end
return added
