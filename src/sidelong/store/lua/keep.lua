#!lua
-- Add entries to the list of what stays of a queue, which is never there without an expiry.
--
-- KEYS  1 the queue   2 what stays
-- ARGV  1 life of what stays (s)   then the entries
-- Result  1 how many entries the queue has   2 how many stay
if #ARGV > 1 then
  redis.call('RPUSH', KEYS[2], unpack(ARGV, 2))
  redis.call('EXPIRE', KEYS[2], ARGV[1])
end
return {redis.call('LLEN', KEYS[1]), redis.call('LLEN', KEYS[2])}
