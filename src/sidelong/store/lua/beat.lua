#!lua flags=allow-oom
-- One heartbeat: renew the lease, register the owner, write what Sidekiq's pages show, and give a daily counter that
-- would stay for ever its end: a turn does so only for one that it makes.
--
-- KEYS  1 lease   2 owners   3 owner-queues   4 buried   5 processes   6 process hash   7 work   8 workers
--       9 signals   then the daily counters of these days
-- ARGV  1 identity   2 beat counter   3 life of the lease (ms)   4 life of the process record (s)
--       5 life of a daily counter (s)   6 number of queues, and their names
--       then the number of process fields, and field, value ...   then the number of work entries, and field, value ...
-- Result  1 "buried": others have declared this worker dead; nothing was written
--         or 1 "ok"   2 whether the lease was still there: 1 or 0   3 a remote signal or ""   4 errors met
local pcall = redis.pcall
local errors = {}

local function note(reply)
  if type(reply) == 'table' and reply.err then errors[#errors + 1] = reply.err end
  return reply
end

-- These are ours alone, and without them nobody would find our jobs: what took their place goes.
local function register(key, ...)
  local reply = pcall('SADD', key, ...)
  if type(reply) == 'table' then
    note(reply)
    redis.call('DEL', key)
    redis.call('SADD', key, ...)
  end
end

local function slice(first, count)
  local values = {}
  for i = 0, count - 1 do values[i + 1] = ARGV[first + i] end
  return values, first + count
end

local buried = pcall('ZSCORE', KEYS[4], ARGV[1])
if type(buried) == 'string' then return {'buried'} end
note(buried)

local known = redis.call('PTTL', KEYS[1]) >= 0 and 1 or 0
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
register(KEYS[2], ARGV[1])
local queues, at = slice(7, tonumber(ARGV[6]))
if #queues > 0 then
  register(KEYS[3], unpack(queues))
  -- An inspected owner's set expires; a living owner's must not.
  pcall('PERSIST', KEYS[3])
end

note(pcall('SADD', KEYS[5], ARGV[1]))
local fields
fields, at = slice(at + 1, 2 * tonumber(ARGV[at]))
note(pcall('HSET', KEYS[6], unpack(fields)))
pcall('EXPIRE', KEYS[6], ARGV[4])
local entries = 2 * tonumber(ARGV[at])
for _, key in ipairs({KEYS[7], KEYS[8]}) do
  pcall('UNLINK', key)
  for i = 1, entries, 2 do note(pcall('HSET', key, ARGV[at + i], ARGV[at + i + 1])) end
  if entries > 0 then pcall('EXPIRE', key, ARGV[4]) end
end

for i = 10, #KEYS do
  if pcall('PTTL', KEYS[i]) == -1 then pcall('EXPIRE', KEYS[i], ARGV[5]) end
end

local signal = note(pcall('RPOP', KEYS[9]))
if type(signal) ~= 'string' then signal = '' end
return {'ok', known, signal, errors}
