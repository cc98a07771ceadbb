#!lua flags=allow-oom
-- Take identities out of the processes whose record is gone, each looked at in the same moment.
--
-- KEYS  1 processes   then per identity its record
-- ARGV  the identities
-- Result  how many were taken out
local pruned = 0
for number, identity in ipairs(ARGV) do
  local info = redis.pcall('HGET', KEYS[number + 1], 'info')
  if not info or type(info) == 'table' then pruned = pruned + redis.call('SREM', KEYS[1], identity) end
end
return pruned
