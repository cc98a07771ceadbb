#!lua flags=no-writes
-- How many entries each in-flight list holds; one command, however many queues an idle worker serves.
--
-- KEYS  the lists
-- Result  per list, its length or an error text
local reply = {}
for i, list in ipairs(KEYS) do
  local length = redis.pcall('LLEN', list)
  reply[i] = type(length) == 'table' and length.err or length
end
return reply
