#!lua flags=no-writes
-- Entries of one page of a list that contain a text.
--
-- KEYS  1 the list
-- ARGV  1 the text   2 first position   3 last position
-- Result  1 how many entries the page has   then those that contain the text
local page = redis.call('LRANGE', KEYS[1], ARGV[2], ARGV[3])
local found = {#page}
for _, entry in ipairs(page) do
  if string.find(entry, ARGV[1], 1, true) then found[#found + 1] = entry end
end
return found
