#!lua flags=no-writes
-- Read some of the elements of any key, each of them cut: a value may have megabytes.
--
-- KEYS  1 the key
-- ARGV  1 where to begin: how many elements or bytes to leave out; the cursor of a set or hash; the id of a stream
--       2 most elements   3 most bytes of each
-- Result  its type, "none" if there is no such key; where to go on, "" at the end; then per element how many parts it
--         has, and per part its length and its first bytes. A string is one element that begins where it was asked to.
local key, start, most, bytes = KEYS[1], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local call = redis.call
local kind = call('TYPE', key).ok
local reply = {kind, ''}

local function add(...)
  local parts = {...}
  reply[#reply + 1] = #parts
  for _, part in ipairs(parts) do
    reply[#reply + 1] = #part
    reply[#reply + 1] = string.sub(part, 1, bytes)
  end
end

local place = tonumber(start) or 0

local function follow(size)
  if place + most < size then reply[2] = tostring(place + most) end
end

if kind == 'string' then
  local size = call('STRLEN', key)
  reply[3], reply[4], reply[5] = 1, size, call('GETRANGE', key, place, place + bytes - 1)
  if place + bytes < size then reply[2] = tostring(place + bytes) end
elseif kind == 'list' then
  for _, value in ipairs(call('LRANGE', key, place, place + most - 1)) do add(value) end
  follow(call('LLEN', key))
elseif kind == 'zset' then
  local found = call('ZRANGE', key, place, place + most - 1, 'WITHSCORES')
  for i = 1, #found, 2 do add(found[i + 1], found[i]) end
  follow(call('ZCARD', key))
elseif kind == 'set' then
  local found = call('SSCAN', key, start, 'COUNT', most)
  for _, member in ipairs(found[2]) do add(member) end
  if found[1] ~= '0' then reply[2] = found[1] end
elseif kind == 'hash' then
  local found = call('HSCAN', key, start, 'COUNT', most)
  for i = 1, #found[2], 2 do add(found[2][i], found[2][i + 1]) end
  if found[1] ~= '0' then reply[2] = found[1] end
elseif kind == 'stream' then
  local found = call('XRANGE', key, start == '0' and '-' or '(' .. start, '+', 'COUNT', most)
  for _, entry in ipairs(found) do
    add(entry[1], unpack(entry[2]))
    reply[2] = entry[1]
  end
  if #found < most then reply[2] = '' end
end
return reply
