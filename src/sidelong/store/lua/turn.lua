#!lua flags=allow-oom
-- One turn of a capsule: settle what finished, then take what the free slots can hold.
--
-- KEYS  1 settled hash   2 owners set   3 retry   4 dead
--       5 stat:processed   6 its day   7 stat:failed   8 its day   9 buried   10 queues
--       then, for each queue of the capsule, its list and the in-flight list
-- ARGV  1 identity   2 capsule   3 batch number   4 life of the settled hash (s)
--       5 most dead entries kept   6 life of a dead entry (s)   7 life of a daily counter (s)
--       8 number of runs; each run is: operation, queue number, count, and its entries
--           done, dropped, bury, back: raw         dead, rewrite: raw, new         retry: raw, new, delay (s)
--       then the free slots and the number of takes; each take is: queue number, most entries
-- Result  1 "new", "repeat" or "stale"   2 whether the identity is an owner: 1 or 0
--         3 one character per entry: 1 done, 0 not ours, e error   4 errors met   5 dead entries trimmed
--         6.. per take, the payloads taken or an error text
--
-- Neither Lua nor MULTI rolls back: insert first, remove last. Each entry stands for itself, so that one key of
-- the wrong type does not hold up the batch. A batch that comes again, because its answer was lost, is answered
-- from the settled hash: executing it again would remove the twin of an identical payload.
local settled, owners, retry, dead = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local identity, capsule, batch = ARGV[1], ARGV[2], tonumber(ARGV[3])
local pcall, match = redis.pcall, string.match
local FIRST_QUEUE = 11

local owner = pcall('SISMEMBER', owners, identity)
if failed(owner) then note(owner); owner = 1 end
-- Others have declared it dead, and may be done with its lists by now, whatever the owners set says.
local buried = pcall('ZSCORE', KEYS[9], identity)
if buried and not note(buried) then owner = 0 end

local last = pcall('HGET', settled, capsule)
if type(last) == 'string' then
  local number, results, trimmed = match(last, '^(%d+) (%S*) (%d+)$')
  local is = standing(tonumber(number), batch)
  if is == 'repeat' then return {'repeat', owner, results, errors, tonumber(trimmed)} end
  if is == 'stale' then return {'stale', owner, '', errors, 0} end
end

local now
local function time()
  if not now then
    local t = redis.call('TIME')
    now = t[1] + t[2] / 1000000
  end
  return now
end

-- operation -> how many words an entry has
local ENTRIES = {done = 1, dropped = 1, bury = 1, back = 1, dead = 2, rewrite = 2, retry = 3}

local function insert(operation, queue, inflight, at)
  if operation == 'retry' then return pcall('ZADD', retry, string.format('%.6f', time() + tonumber(ARGV[at + 2])), ARGV[at + 1]) end
  if operation == 'dead' then return bury(dead, ARGV[at + 1], time(), ARGV[5], ARGV[6]) end
  if operation == 'bury' then return bury(dead, ARGV[at], time(), ARGV[5], ARGV[6]) end
  if operation == 'back' then return pcall('RPUSH', queue, ARGV[at]) end
  if operation == 'rewrite' then return pcall('LPUSH', inflight, ARGV[at + 1]) end
end

local results, processed, failures = {}, 0, 0
local done
local function tell(removed)
  if removed == 1 then
    results[#results + 1] = '1'
    done = done + 1
  elseif note(removed) then
    results[#results + 1] = 'e'
  else
    results[#results + 1] = '0'
  end
end

local at = 9
for _ = 1, tonumber(ARGV[8]) do
  local operation, place, count = ARGV[at], FIRST_QUEUE + 2 * tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  local queue, inflight, entries = KEYS[place], KEYS[place + 1], ENTRIES[operation]
  local last = at + 2 + count * entries
  done = 0
  if operation == 'done' or operation == 'dropped' then
    for i = at + 3, last do tell(pcall('LREM', inflight, -1, ARGV[i])) end
  else
    for i = at + 3, last, entries do
      local held = pcall('LPOS', inflight, ARGV[i])
      if held and not failed(held) then
        local inserted = insert(operation, queue, inflight, i)
        held = failed(inserted) and inserted or pcall('LREM', inflight, -1, ARGV[i])
      end
      tell(held)
    end
  end
  -- Its name goes when it is cleared, also while its jobs run: without the name nobody would see what came back.
  if operation == 'back' and done > 0 then note(pcall('SADD', KEYS[10], match(queue, ':(.*)'))) end
  if operation ~= 'bury' and operation ~= 'back' and operation ~= 'rewrite' then processed = processed + done end
  if operation == 'dropped' or operation == 'dead' or operation == 'retry' then failures = failures + done end
  at = last + 1
end

local function count(total, daily, by)
  if by == 0 then return end
  note(pcall('INCRBY', total, by))
  local sum = pcall('INCRBY', daily, by)
  -- It holds just what was added: it is new. A heartbeat sees to those that others made.
  if not note(sum) and sum == by then pcall('EXPIRE', daily, ARGV[7]) end
end
count(KEYS[5], KEYS[6], processed)
count(KEYS[7], KEYS[8], failures)

results = table.concat(results)
local record = batch .. ' ' .. results .. ' ' .. trimmed
local stored = pcall('HSET', settled, capsule, record)
if failed(stored) then
  -- The key is ours alone; whatever took its place cannot tell a repeated batch from a new one.
  redis.call('DEL', settled)
  stored = redis.call('HSET', settled, capsule, record)
end
if stored == 1 or batch % 1000 == 0 then redis.call('EXPIRE', settled, ARGV[4]) end

local reply = {'new', owner, results, errors, trimmed}
if owner == 0 then return reply end

local free = tonumber(ARGV[at])
at = at + 2
for _ = 1, tonumber(ARGV[at - 1]) do
  local place = FIRST_QUEUE + 2 * tonumber(ARGV[at])
  local queue, inflight = KEYS[place], KEYS[place + 1]
  local taken = {}
  for i = 1, math.min(free, tonumber(ARGV[at + 1])) do
    local payload = pcall('LMOVE', queue, inflight, 'RIGHT', 'LEFT')
    if not payload then break end
    if failed(payload) then
      if i == 1 then taken = payload.err end
      break
    end
    taken[i] = payload
    free = free - 1
  end
  reply[#reply + 1] = taken
  at = at + 2
end
return reply
