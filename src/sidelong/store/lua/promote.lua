#!lua flags=allow-oom
-- Move members of a set to where they belong, each by itself and only if it is still there.
--
-- KEYS  1 the set   2 queues   3 dead   then the queue lists named below
-- ARGV  1 most dead entries kept   2 life of a dead entry (s)
--       then per member: destination, member, and
--         queue: name of the queue, number of its key, new payload       dead: "", 0, payload
--         later: "", 0, delay (s)                                        drop: "", 0, ""
-- Result  per member: "queue", "dead", "later", "drop" for what was done, "gone" if it was no longer there,
--         or an error text; then how many dead entries were trimmed
--
-- By member and never by score: another poller may have moved what was read a moment ago. A queue of the wrong
-- type sends its jobs to the dead set: nothing may stay at the front of the set for ever.
local set, queues, dead = KEYS[1], KEYS[2], KEYS[3]
local pcall = redis.pcall
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000

local function failed(reply)
  return type(reply) == 'table' and reply.err
end

local function insert(destination, at)
  local payload = ARGV[at + 4]
  if destination == 'queue' then
    local reply = pcall('LPUSH', KEYS[tonumber(ARGV[at + 3])], payload)
    if failed(reply) then return bury(dead, payload, now, ARGV[1], ARGV[2]), 'dead' end
    pcall('SADD', queues, ARGV[at + 2])
    return reply, 'queue'
  end
  if destination == 'dead' then return bury(dead, payload, now, ARGV[1], ARGV[2]), 'dead' end
  if destination == 'later' then
    return pcall('ZADD', set, string.format('%.6f', now + tonumber(payload)), ARGV[at + 1]), 'later'
  end
  return true, 'drop'
end

local reply = {}
for at = 3, #ARGV, 5 do
  local destination, member = ARGV[at], ARGV[at + 1]
  local score = pcall('ZSCORE', set, member)
  local result
  if failed(score) then
    result = score.err
  elseif not score then
    result = 'gone'
  else
    local inserted, done = insert(destination, at)
    if failed(inserted) then
      result = inserted.err
    else
      result = done
      -- A member put off, or a dead one that stays dead, is in the set already: only its score has changed.
      local stays = done == 'later' or (done == 'dead' and set == dead and ARGV[at + 4] == member)
      if not stays then pcall('ZREM', set, member) end
    end
  end
  reply[#reply + 1] = result
end
reply[#reply + 1] = trimmed
return reply
