#!lua flags=allow-oom
-- Move members of a set to where they belong, each by itself and only if nothing has happened to it.
--
-- KEYS  1 the set   2 queues   3 dead   then the queue lists named below
-- ARGV  1 most dead entries kept   2 life of a dead entry (s)
--       then per member: destination, member, score that it was seen with or "" for one that is due, and
--         queue: name of the queue, number of its key, new payload       dead: "", 0, payload
--         later: "", 0, delay (s)       at: "", 0, score                  drop: "", 0, ""
-- Result  per member: "queue", "dead", "later", "at", "drop" for what was done; "gone" if it was no longer there, or
--         not as it was seen; or an error text; then how many dead entries were trimmed
--
-- By member and never by score alone: another poller may have moved what was read a moment ago. Its score must be
-- what it was, or else an operator has put it off meanwhile. A queue of the wrong type sends what is due to the dead
-- set: nothing may stay at the front of the set for ever. What an operator has chosen stays where it is.
local set, queues, dead = KEYS[1], KEYS[2], KEYS[3]
local pcall = redis.pcall
local time = redis.call('TIME')
-- As text first, as the poller read it: two ways of adding seconds and micros may differ by the last bit.
local now = tonumber(string.format('%d.%06d', time[1], time[2]))

local function failed(reply)
  return type(reply) == 'table' and reply.err
end

local function number(text)
  if text == 'inf' then return math.huge end
  if text == '-inf' then return -math.huge end
  return tonumber(text)
end

local function stands(score, seen)
  if seen == '' then return number(score) <= now end
  return number(score) == number(seen)
end

local function insert(destination, at)
  local payload = ARGV[at + 5]
  if destination == 'queue' then
    local reply = pcall('LPUSH', KEYS[tonumber(ARGV[at + 4])], payload)
    if failed(reply) then
      if ARGV[at + 2] ~= '' then return reply end
      return bury(dead, payload, now, ARGV[1], ARGV[2]), 'dead'
    end
    pcall('SADD', queues, ARGV[at + 3])
    return reply, 'queue'
  end
  if destination == 'dead' then return bury(dead, payload, now, ARGV[1], ARGV[2]), 'dead' end
  if destination == 'later' then
    return pcall('ZADD', set, string.format('%.6f', now + tonumber(payload)), ARGV[at + 1]), 'later'
  end
  if destination == 'at' then return pcall('ZADD', set, payload, ARGV[at + 1]), 'at' end
  return true, 'drop'
end

local reply = {}
for at = 3, #ARGV, 6 do
  local destination, member = ARGV[at], ARGV[at + 1]
  local score = pcall('ZSCORE', set, member)
  local result
  if failed(score) then
    result = score.err
  elseif not score then
    result = 'gone'
  elseif destination == 'at' and number(score) == number(ARGV[at + 5]) then
    -- A repeat, after its answer was lost.
    result = 'at'
  elseif not stands(score, ARGV[at + 2]) then
    result = 'gone'
  else
    local inserted, done = insert(destination, at)
    if failed(inserted) then
      result = inserted.err
    else
      result = done
      -- A member put off, or a dead one that stays dead, is in the set already: only its score has changed.
      local stays = done == 'later' or done == 'at' or (done == 'dead' and set == dead and ARGV[at + 5] == member)
      if not stays then pcall('ZREM', set, member) end
    end
  end
  reply[#reply + 1] = result
end
reply[#reply + 1] = trimmed
return reply
