#!lua flags=no-writes
-- Which owners have no lease, and which buried ones still hold entries.
--
-- KEYS  1 owners   2 buried
-- ARGV  1 prefix of lease keys   2 prefix of owner-queues keys   3 prefix of in-flight keys   4 who looks
-- Result  1 owners without a lease   2 buried identities with entries in a list   3 errors met
--         4 whether the one that looks is an owner: 1 or 0
local function members(reply, errors)
  if reply.err then errors[#errors + 1] = reply.err; return {} end
  return reply
end

-- A key that never expires is no lease, whoever put it there.
local missing, holding, errors = {}, {}, {}
for _, identity in ipairs(members(redis.pcall('SMEMBERS', KEYS[1]), errors)) do
  if redis.call('PTTL', ARGV[1] .. identity) < 0 then missing[#missing + 1] = identity end
end
for _, identity in ipairs(members(redis.pcall('ZRANGE', KEYS[2], 0, -1), errors)) do
  for _, queue in ipairs(members(redis.pcall('SMEMBERS', ARGV[2] .. identity), errors)) do
    local length = redis.pcall('LLEN', ARGV[3] .. identity .. ':' .. queue)
    if type(length) == 'number' and length > 0 then
      holding[#holding + 1] = identity
      break
    end
  end
end
local listed = redis.pcall('SISMEMBER', KEYS[1], ARGV[4])
return {missing, holding, errors, listed == 1 and 1 or 0}
