#!lua flags=allow-oom
-- Delete entries of a list that lie near each other, with one pass over the list for all of them.
--
-- KEYS  1 the list
-- ARGV  1 and 2 where to look, as LRANGE takes it; both count from the right end
--       3 a text that is no entry   then the entries
-- Result  1 how many were deleted   2 the numbers of those that were not found there
local list, first, mark = KEYS[1], tonumber(ARGV[1]), ARGV[3]
local window = redis.call('LRANGE', list, first, ARGV[2])
local length = redis.call('LLEN', list)
first = math.max(first, -length)

local wanted = {}
for number = 4, #ARGV do
  local numbers = wanted[ARGV[number]] or {}
  numbers[#numbers + 1] = number - 4
  wanted[ARGV[number]] = numbers
end

local deleted = 0
for place, entry in ipairs(window) do
  local numbers = wanted[entry]
  if numbers and #numbers > 0 then
    numbers[#numbers] = nil
    redis.call('LSET', list, first + place - 1, mark)
    deleted = deleted + 1
  end
end
-- From the nearer end, for it passes over all before them.
local count = -first * 2 > length and deleted or -deleted
if deleted > 0 then redis.call('LREM', list, count, mark) end

local missing = {}
for _, numbers in pairs(wanted) do
  for _, number in ipairs(numbers) do missing[#missing + 1] = number end
end
return {deleted, missing}
