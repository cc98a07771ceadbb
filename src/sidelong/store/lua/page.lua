#!lua flags=no-writes
-- Read the members of a set that follow a given one, in the order of score and then bytes, in either direction.
--
-- KEYS  1 the set
-- ARGV  1 "up" or "down"   2 most members
--       3 score after which to go on: if missing, the page begins at the end of the set where this direction starts
--       4 member of that score after which to go on: if missing, all of that score come as well
-- Result  members with their scores, in turn
--
-- By place and never by rank: what is added or removed between two pages shifts the ranks of all others. The member
-- itself may be gone; among equals of its score its place is then found by halving.
local set, up, most = KEYS[1], ARGV[1] == 'up', tonumber(ARGV[2])
local score, member = ARGV[3], ARGV[4]
local call = redis.call

-- Lua's own order of strings depends on the locale of the server.
local function precedes(a, b)
  local low, high = 1, math.min(#a, #b)
  if string.sub(a, 1, high) == string.sub(b, 1, high) then return #a < #b end
  while low < high do
    local middle = math.floor((low + high) / 2)
    if string.sub(a, low, middle) == string.sub(b, low, middle) then low = middle + 1 else high = middle end
  end
  return string.byte(a, low) < string.byte(b, low)
end

-- Returns how many members precede the given place, and whether its member is there.
local function place()
  local low = call('ZCOUNT', set, '-inf', '(' .. score)
  local high = low + call('ZCOUNT', set, score, score)
  if not member then return up and low or high, false end
  while low < high do
    local middle = math.floor((low + high) / 2)
    local found = call('ZRANGE', set, middle, middle)[1]
    if found == member then return middle, true end
    if precedes(found, member) then low = middle + 1 else high = middle end
  end
  return low, false
end

local size = redis.pcall('ZCARD', set)
if type(size) == 'table' then return size end
local first, last
if up then
  first = 0
  if score then
    local found
    first, found = place()
    if found then first = first + 1 end
  end
  last = first + most - 1
else
  last = (score and place() or size) - 1
  first = math.max(0, last - most + 1)
  if last < 0 then return {} end
end
if up then return call('ZRANGE', set, first, last, 'WITHSCORES') end
return call('ZRANGE', set, size - 1 - last, size - 1 - first, 'REV', 'WITHSCORES')
