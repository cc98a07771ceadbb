-- Batches are numbered by whoever sends them: one that comes again, because its answer was lost, must not be carried
-- out twice. `standing` says what a batch is, given the number of the last one that was carried out, or none: "new",
-- "repeat", or "stale" where later ones came before it. `errors` collects what went wrong with single keys.
local errors = {}

local function failed(reply)
  return type(reply) == 'table' and reply.err
end

local function note(reply)
  if failed(reply) and #errors < 20 then errors[#errors + 1] = reply.err end
  return failed(reply)
end

local function standing(last, batch)
  if not last or last < batch then return 'new' end
  return last == batch and 'repeat' or 'stale'
end
