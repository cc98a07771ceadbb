-- Trim the dead set by Sidekiq's rule (wire-format §8): by age, and to one entry fewer than its limit. `bury` adds a
-- payload first, and returns the answer of the insertion; `trimmed` counts what was dropped.
local trimmed = 0
local function trim(dead, now, most, life)
  local old = redis.pcall('ZREMRANGEBYSCORE', dead, '-inf', string.format('%.6f', now - tonumber(life)))
  local over = redis.pcall('ZREMRANGEBYRANK', dead, 0, -tonumber(most))
  if type(old) == 'number' then trimmed = trimmed + old end
  if type(over) == 'number' then trimmed = trimmed + over end
end
local function bury(dead, payload, now, most, life)
  local reply = redis.pcall('ZADD', dead, string.format('%.6f', now), payload)
  if type(reply) == 'table' and reply.err then return reply end
  trim(dead, now, most, life)
  return reply
end
