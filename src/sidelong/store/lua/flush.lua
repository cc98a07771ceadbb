#!lua flags=allow-oom
-- Add what a worker has counted since its last flush to the figures of a time.
--
-- KEYS  1 number of the last batch   then the keys that are added to
-- ARGV  1 batch number   2 life of the first key (s)
--       then per key: kind, life (s), number of additions, and the additions
--           hash: field, by        u16, u32: position, by: an array of such counters, which stay at their highest
-- Result  1 "new" or "repeat"   2 errors met
--
-- A batch that comes again, because its answer was lost, is not added twice. Each key stands for itself: one of the
-- wrong type spoils none of the others.
local pcall = redis.pcall

local last = pcall('GET', KEYS[1])
if failed(last) then
  -- The key is ours alone: what took its place goes.
  redis.call('DEL', KEYS[1])
elseif standing(tonumber(last), tonumber(ARGV[1])) ~= 'new' then
  return {'repeat', errors}
end

-- What is forbidden is told once for all keys; all else is about one of them.
local function note_of(key, reply)
  if not failed(reply) then return false end
  local problem = tostring(failed(reply))
  local is_forbidden = string.find(problem, '^NOPERM') or string.find(problem, "can't run this command")
  if not is_forbidden then problem = problem .. ' (key ' .. key .. ')' end
  return note({err = problem})
end

local function add_to_hash(key, first, count)
  for i = first, first + 2 * count - 2, 2 do
    local problem = note_of(key, pcall('HINCRBY', key, ARGV[i], ARGV[i + 1]))
    if problem and string.find(problem, '^WRONGTYPE') then return false end
  end
  return true
end

local function add_to_array(key, kind, first, count)
  local words = {}
  for i = first, first + 2 * count - 2, 2 do
    words[#words + 1] = 'INCRBY'
    words[#words + 1] = kind
    words[#words + 1] = '#' .. ARGV[i]
    words[#words + 1] = ARGV[i + 1]
  end
  return not note_of(key, pcall('BITFIELD', key, 'OVERFLOW', 'SAT', unpack(words)))
end

local at = 3
for i = 2, #KEYS do
  local kind, life, count = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2])
  local ok
  if kind == 'hash' then ok = add_to_hash(KEYS[i], at + 3, count) else ok = add_to_array(KEYS[i], kind, at + 3, count) end
  -- Whatever it is that took the place of ours, it is not ours to let expire.
  if ok then pcall('EXPIRE', KEYS[i], life) end
  at = at + 3 + 2 * count
end
-- Last: what stops the script before it lets the batch come again.
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return {'new', errors}
