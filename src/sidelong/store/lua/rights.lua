#!lua flags=no-writes
-- Which commands the user of this connection may run, asked without running them.
--
-- KEYS  none
-- ARGV  per command: number of its words, and the words
-- Result  per command, 1 if it may be run, 0 if not
local reply, at = {}, 1
while at <= #ARGV do
  local words = {}
  for i = 1, tonumber(ARGV[at]) do words[i] = ARGV[at + i] end
  -- What the server does not know it cannot forbid.
  local known, allowed = pcall(redis.acl_check_cmd, unpack(words))
  reply[#reply + 1] = (not known or allowed) and 1 or 0
  at = at + #words + 1
end
return reply
