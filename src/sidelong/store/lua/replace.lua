#!lua flags=allow-oom
-- Put the list of what stays in the place of a queue, with what was pushed to it since, and with what was not read at
-- the end where jobs are fetched; unless anything was removed from the part that was read.
--
-- KEYS  1 the queue   2 what stays, which may be missing if nothing does   3 a name for the old list, not in use
-- ARGV  1 how many entries were read   2 how many of them stay   3 most entries in front of them   4 most behind them
--       then what was read, in turn: at which place, counted from the entry that was pushed last, and the entry; the
--       first of all comes first
-- Result  how many entries are behind those that were read   or -1 if it is not done
--
-- Others push at one end, fetch and hand back at the other, and remove. What is removed moves all behind it; to make up
-- for that, they would have to fetch all that was read last and hand it back exactly as it was.
local queue, stays = KEYS[1], KEYS[2]
local read, most = tonumber(ARGV[1]), tonumber(ARGV[3])
local front = redis.call('LPOS', queue, ARGV[6], 'MAXLEN', most + 1)
if not front then return -1 end
local behind = redis.call('LLEN', queue) - front - read
if behind < 0 or behind > tonumber(ARGV[4]) then return -1 end
for at = 5, #ARGV, 2 do
  if redis.call('LINDEX', queue, front + tonumber(ARGV[at])) ~= ARGV[at + 1] then return -1 end
end
if redis.call('LLEN', stays) ~= tonumber(ARGV[2]) then return -1 end

-- Up to here, and until a name is changed, the queue is as it was.
local function add(command, entries)
  for first = 1, #entries, 500 do
    redis.call(command, stays, unpack(entries, first, math.min(first + 499, #entries)))
  end
end
if front > 0 then
  local entries, reversed = redis.call('LRANGE', queue, 0, front - 1), {}
  for i = front, 1, -1 do reversed[#reversed + 1] = entries[i] end
  add('LPUSH', reversed)
end
if behind > 0 then add('RPUSH', redis.call('LRANGE', queue, -behind, -1)) end
if redis.call('LLEN', stays) == 0 then
  redis.call('UNLINK', queue)
  return behind
end
-- Over the old list RENAME would free that at once, which takes long; UNLINK leaves it to another thread.
redis.call('RENAME', queue, KEYS[3])
-- A name takes its expiry along.
local reply = redis.pcall('PERSIST', stays)
if type(reply) == 'number' then reply = redis.pcall('RENAME', stays, queue) end
if reply.err then
  redis.call('RENAME', KEYS[3], queue)
  return reply
end
redis.call('UNLINK', KEYS[3])
return behind
