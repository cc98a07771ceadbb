"""Bad data in Redis: keys of the wrong type, and payloads that are no jobs."""

import json
import random
from uuid import uuid4

from tests.chaos.events import MALFORMED, PUSH, PUSHED, words
from tests.chaos.mix import QUEUES
from tests.chaos.nemesis import Nemesis
from tests.chaos.site import Site

_SWAP = """
-- Put a value of another type in the place of a key, and keep what was there under another name.
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('DEL', KEYS[2])
redis.call('RENAME', KEYS[1], KEYS[2])
local kind = redis.call('TYPE', KEYS[2])['ok']
if ARGV[1] ~= kind then
  if ARGV[1] == 'string' then redis.call('SET', KEYS[1], 'wrong') end
  if ARGV[1] == 'hash' then redis.call('HSET', KEYS[1], 'wrong', 'wrong') end
  if ARGV[1] == 'stream' then redis.call('XADD', KEYS[1], '*', 'wrong', 'wrong') end
end
return 1
"""
_RESTORE = """
-- Undo it; what was written meanwhile stays.
if redis.call('EXISTS', KEYS[2]) == 0 then return 0 end
local kind, now = redis.call('TYPE', KEYS[2])['ok'], redis.call('TYPE', KEYS[1])['ok']
if now ~= kind then
  redis.call('DEL', KEYS[1])
  redis.call('RENAME', KEYS[2], KEYS[1])
elseif kind == 'list' then
  for _, value in ipairs(redis.call('LRANGE', KEYS[2], 0, -1)) do redis.call('RPUSH', KEYS[1], value) end
  redis.call('DEL', KEYS[2])
elseif kind == 'zset' then
  redis.call('ZUNIONSTORE', KEYS[1], 2, KEYS[1], KEYS[2], 'AGGREGATE', 'MAX')
  redis.call('DEL', KEYS[2])
elseif kind == 'set' then
  redis.call('SUNIONSTORE', KEYS[1], KEYS[1], KEYS[2])
  redis.call('DEL', KEYS[2])
else
  redis.call('DEL', KEYS[2])
end
return 1
"""
_KEPT = "chaos:kept"
_JOB_KEYS = (*[f"queue:{name}" for name in QUEUES], "schedule", "retry", "dead")
_SIDEKIQS = ("processes", "queues")
_OURS = (
    "sidelong:owners",
    "sidelong:buried",
    "sidelong:lease:*",
    "sidelong:owner-queues:*",
    "sidelong:settled:*",
)
"""What the workers make anew: what was there is not put back."""


def wrong_type(site: Site, chance: random.Random) -> None:
    """Put a string, hash or stream in the place of one of our keys for a while."""
    with site.redis_lock, site.client() as client:
        patterns = [*_JOB_KEYS, *_SIDEKIQS, *_OURS, "sidelong:inflight:*"]
        chance.shuffle(patterns)
        for pattern in patterns:
            if keys := sorted(key.decode() for key in client.scan_iter(pattern, count=1000)):
                break
        key = chance.choice(keys)
        client.eval(_SWAP, 2, key, _KEPT, chance.choice(("string", "hash", "stream")))
        site.wait(chance.uniform(0.2, 2.0))
        if pattern in _OURS:
            client.delete(_KEPT)
        else:
            client.eval(_RESTORE, 2, key, _KEPT)


def malformed(site: Site, chance: random.Random) -> None:
    """Put payloads that are no jobs, or jobs that nobody can run, where jobs stand."""
    with site.redis_lock, site.client() as client:
        for _ in range(10):
            raw = _unreadable(site, chance) if chance.random() < 0.5 else _unusable(site, chance)
            place = chance.choice(_JOB_KEYS[:-1])
            if place.startswith("queue:"):
                chance.choice((client.lpush, client.rpush))(place, raw)
            else:
                client.zadd(place, {raw: chance.choice((0.0, 1.0, float("-inf")))})


def _unreadable(site: Site, chance: random.Random) -> bytes:
    mark = f"chaos-{uuid4().hex}"
    site.ledger.write(MALFORMED, extra=words(mark=mark))
    word = mark.encode()
    return chance.choice(
        (
            word,
            b'{"class":"quick","args":[],"jid":"' + word,
            b'{"class":"quick","args":["\xff\xfe"],"jid":"' + word + b'"}',
            b'"' + word + b'"',
            b'["' + word + b'"]',
            b"[" * 20_000 + word,
            b'{"class":"quick","args":[' + b"9" * 6000 + b'],"jid":"' + word,
            word.decode().encode("utf-16"),
            b"\xef\xbb\xbf" + word,
            word + b"\x00\x1b[2J\r\n",
        )
    )


def _unusable(site: Site, chance: random.Random) -> bytes:
    jid = uuid4().hex[:24]
    # No retry is left at once: they must stand in the dead set at the end, counted once.
    item = {"class": "quick", "args": [], "jid": jid, "queue": chance.choice(QUEUES), "retry": 0, "created_at": 1.5}
    item |= chance.choice(
        (
            {"class": "os.system"},
            {"class": "no such job"},
            {"args": [1, 2, 3]},
            {"args": {"a": 1}},
            {"created_at": "yesterday", "class": "nobody"},
            {"backtrace": 1e9, "class": "nobody"},
            {"enqueued_at": True, "args": ["too", "many"]},
        )
    )
    course = words(job="unusable", acks=1, fails=1, ends="dead")
    site.ledger.write(PUSH, jid, course)
    site.ledger.write(PUSHED, jid)
    return json.dumps(item).encode()


NEMESES = (
    Nemesis(name="wrong-type", strike=wrong_type, times=10, lasts=2.0),
    Nemesis(name="malformed", strike=malformed, times=5),
)
