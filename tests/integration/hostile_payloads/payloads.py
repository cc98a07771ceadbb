"""Payloads that no sane program writes, from the standard library alone.

Pools hold JSON texts rather than values: much of what may stand in Redis has no value in Python. What comes first in
a pool is the sanest, so that whoever looks for a smaller counterexample ends there.
"""

import base64
import json
import random
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar

T = TypeVar("T")

CLASSES = ("Ok", "Bad", "Typed", "Threaded")
"""Jobs that whoever uses these payloads may register; none is registered under any other name here."""
SOME_TIME = 1795217165.5
MB = 1_000_000


class Chance(Protocol):
    """What decides; `random.Random` is one."""

    def randrange(self, stop: int, /) -> int:
        """Return a number from 0 up, less than `stop`."""
        ...

    def choice(self, options: Sequence[T], /) -> T:
        """Return one of several."""
        ...

    def randbytes(self, count: int, /) -> bytes:
        """Return so many bytes."""
        ...


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


_NINES = "9" * 400
_BOMB = _text(base64.b64encode(zlib.compress(bytes(MB))).decode())

SANE = {
    "retry": "true",
    "queue": '"default"',
    "args": "[]",
    "class": '"Ok"',
    "jid": "",  # each gets its own
    "created_at": str(SOME_TIME),
    "enqueued_at": str(SOME_TIME),
}

ANYTHING = (
    *("null", "true", "false", "0", "-1", "7", "-0", "-0.0", "2.5", "1e3", "1E+3", "1e308", "5e-324", "1e-400"),
    *("18446744073709551615", "18446744073709551616", "-9223372036854775809", _NINES, f"-{_NINES}", f"{_NINES}.5"),
    *('""', '"x"', '" "', '"\\u0000"', '"\\u001b[31m\\r\\nfaked"', '"\u202eevil\u2028"', '"\\ud83d\\ude00"', '"😀"'),
    *("[]", "{}", "[null]", '[[],{},""]', '{"a":{"b":[1]}}', '{"":0,"\\u0000":1}', '{"a":1,"a":2}', _text("y" * 3000)),
    # From here on no JSON that a worker reads.
    *("1e999", "-1e999", "NaN", "Infinity", "-Infinity", "9" * 4301, "9" * 5000, "01", "+1", ".5", "1.", "1e", "0x10"),
    *('"\\ud800"', '"\\udc00\\ud800"', '{"\\ud800":1}', '"\n"', '"\x00"', '"\\x41"', '"\\u00g0"', "'x'", '"open'),
    *("", "undefined", "None", "True", "nul", "[1,]", '{"a":1,}', "{a:1}", "[1 2]", "/* */ 1", "]", "}", "\u00a01"),
)

FIELDS: dict[str, tuple[str, ...]] = {
    "class": (
        *map(_text, CLASSES),
        *('"Unknown"', '""', '"Ok "', '"ok"', '"Ok\\u0000"', '"Evil\\n\\u001b[31mClass"', '"\u202eKlasse"', "5"),
        *(
            '{"a":1}',
            '"Sidekiq::ActiveJob::Wrapper"',
            '"__import__"',
            '"<b>%s{0}</b>"',
            _text("C" * 3000),
            _text("\U0001f600" * 200),
        ),
    ),
    "args": (
        *("[1]", "[1,2,3]", '["1"]', "[null]", '[1,"2026-11-20"]', '[1,null,{"a":[1]}]', '[1,null,{"a":["x"]}]'),
        *('{"a":1}', "null", '"Ok"', "0", f"[{_NINES}]", "[1e300]", "[[[[]]]]", '["\\u0000"]', "[{}]", '[{"":[{}]}]'),
        *(_text(list(range(1000))), _text(["z" * 3000])),
    ),
    "jid": (
        *(
            _text("a" * 24),
            '""',
            "null",
            "5",
            "[]",
            '"a\\nb\\u001b[31m"',
            '" "',
            '"*?[x]"',
            '"\\u0000"',
            '"jid \u202e"',
        ),
        *(_text("j" * 3000), _text("\U0001f600" * 200), '"' + "\\\\ " * 100 + '"', "true", '{"a":1}', "1.5"),
    ),
    "queue": (
        *('"other"', '"a:b"', '"a * b"', '"wrong"', '"a\\nb"', '""', "5", '["default"]', "null", '"queue:default"'),
        *('"\\u0000"', '"\u00e9\u4e2d"', '"{x}"', '"../schedule"', '"DEFAULT"', '" default"', '"\u202e"', "true"),
        *(_text("q" * 512), _text("q" * 513), _text("q" * 3000), "{}"),
    ),
    "retry": ("false", "0", "1", "25", "-1", "null", '"x"', "1e308", "[1]", _NINES, f"-{_NINES}", "2.5", '"false"'),
    "retry_count": (
        *(
            "0",
            "1",
            "24",
            "25",
            "-1",
            "-5",
            '"1"',
            "null",
            "true",
            "999999999",
            "1000000000",
            "1e9",
            "1.5",
            _NINES,
            "[]",
        ),
    ),
    "retry_for": ("10", "1000000000", "0", "-1", '"x"', "true", "1e300", "1e-300", _NINES, f"-{_NINES}", "[]"),
    "failed_at": ("1795217165500", str(SOME_TIME), "0", "-1", '"x"', "true", "1e300", "-1e300", _NINES, "null", "{}"),
    "retried_at": ("1795217165500", '"x"', _NINES, "null"),
    "retry_queue": ('"other"', '"default"', '""', '"a\\nb"', "[1]", "null", "5", _text("q" * 3000)),
    "created_at": ("1795217165500", "0", "-1", "1e300", '"x"', "true", "null", _NINES, "[]"),
    "enqueued_at": ("1795217165500", "0", "-1", "1e300", '"x"', "true", "null", _NINES, "[]"),
    "at": ("9999999999.5", "0", "1e300", '"x"', "null", "true", _NINES),
    "backtrace": ("true", "2", "0", "-1", "1000000000", "1e9", '"x"', _NINES, "[]", "false", "null"),
    "error_backtrace": ('"eJw="', '"***"', '["a","b"]', "5", "null", _BOMB),
    "error_message": ('"no"', '"\\u001b[31m\\n"', "5", "null", '{"a":1}', _text("m" * 20_000)),
    "error_class": ('"ValueError"', '"\\u001b[31m\\n"', "5", "null", "[]", _text("e" * 3000)),
    "crashed_at": (
        *("[]", f"[{SOME_TIME}]", f"[{SOME_TIME},1795217166]", '"x"', "null", "5", "{}", "[null]", "[true,false]"),
        *(f"[{_NINES}]", f'["x",1e300,{SOME_TIME}]', "[1,2,3]", _text([SOME_TIME] * 12), "[[1795217165.5]]"),
    ),
    "timeout": ("5", "0", "-1", '"x"', "true", "null", "1e300", "1e-9", "5e-324", _NINES, "[]"),
    "tags": (
        '["a"]',
        "5",
        '"x"',
        '["a\\n\\u001b"]',
        "[[[]]]",
        "[null,5]",
        _text(["t" * 300] * 100),
        _text(["\U0001f600" * 200] * 20),
        "{}",
        "null",
    ),
    "bid": ('"b"', '"b\\n"', "5", "{}", '{"a":1}', _text("b" * 3000), _text("\U0001f600" * 200), "null"),
    "log_level": ('"debug"', '"DEBUG"', '"fatal"', '"nonsense"', "[1]", "5", "null", "{}"),
    "wrapped": ('"Wrapped"', '""', '"W\\n\\u001b"', '{"a":1}', "5", "null", _text("w" * 3000)),
    "dead": ("false", "true", "null", "0", '"false"', "[]"),
    "discarded_at": ("0", '"x"', "null"),
    "unknown": (
        '"kept"',
        '{"a":[1,2.0,-0.0,1e22,"\u2028"]}',
        _NINES,
        "1e-7",
        "[[[[[[[[[[[]]]]]]]]]]]",
        "1234567890.12",
    ),
}
_NAMES = tuple(FIELDS)
_ODD_KEYS = (
    '""',
    '"\\u0000"',
    '"a\\nb"',
    '"Class"',
    '"\\u0063lass"',
    '" jid"',
    '"\u202e"',
    '"\\ud800"',
    _text("k" * 3000),
)
_DEPTHS = (2, 60, 96, 97, 98, 99, 100, 101, 102, 500, 5000)


def sample(chance: Chance) -> bytes:
    """Return one payload: mostly a job with odd fields, else something that only looks like one, or does not."""
    roll = chance.randrange(1000)
    for limit, kind in _KINDS:
        if roll < limit:
            return kind(chance)
    return _large(chance)


def written(item: Mapping[str, object]) -> str:
    """Return a job as JSON that is not escaped, with NaN, infinities and lone surrogates if it has them."""
    return json.dumps(item, ensure_ascii=False, separators=(",", ":"))


def samples(chance: random.Random, count: int) -> list[bytes]:
    """Return so many payloads, which may hold the same one twice."""
    return [sample(chance) for _ in range(count)]


def _job(chance: Chance) -> bytes:
    """Return a job in which up to four fields are missing, odd, twice there, or of no program's making."""
    fields = [(_text(name), text or _text(chance.randbytes(12).hex())) for name, text in SANE.items()]
    for _ in range(chance.randrange(5)):
        _change(chance, fields)
    return _object(fields)


def _change(chance: Chance, fields: list[tuple[str, str]]) -> None:
    name = chance.choice(_NAMES)
    key, places = _text(name), [place for place, (each, _) in enumerate(fields) if each == _text(name)]
    how = chance.randrange(20)
    if how < 14:
        field = (key, chance.choice(FIELDS[name]))
    elif how < 16:
        field = (key, chance.choice(ANYTHING))
    elif how < 17:
        field = (chance.choice(_ODD_KEYS), chance.choice(ANYTHING))
    elif places:
        del fields[places[0]]
        return
    else:
        field = (f'"key{chance.randrange(1000)}"', chance.choice(ANYTHING))
    if places and how < 15:
        fields[places[0]] = field
    else:
        # In front or behind: of two equal keys the last one counts.
        fields.insert(chance.choice((len(fields), 0)), field)


def _object(fields: Sequence[tuple[str, str]]) -> bytes:
    return "{{{}}}".format(",".join(f"{key}:{text}" for key, text in fields)).encode()


def _near(chance: Chance) -> bytes:
    """Return the bytes of a job after something has happened to them."""
    return chance.choice(_HARMS)(chance, _job(chance))


def _truncated(chance: Chance, raw: bytes) -> bytes:
    return raw[: chance.randrange(len(raw))]


def _flipped(chance: Chance, raw: bytes) -> bytes:
    at = chance.randrange(len(raw))
    return raw[:at] + bytes([raw[at] ^ (1 << chance.randrange(8))]) + raw[at + 1 :]


def _inserted(chance: Chance, raw: bytes) -> bytes:
    at = chance.randrange(len(raw))
    return (
        raw[:at]
        + chance.choice((b'"', b"\\", b"\x00", b"\xff", b"\n", b" ", b"[", b"}", b",", b"\xed\xa0\x80"))
        + raw[at:]
    )


def _cut_out(chance: Chance, raw: bytes) -> bytes:
    at = chance.randrange(len(raw))
    return raw[:at] + raw[at + 1 + chance.randrange(20) :]


def _encoded(chance: Chance, raw: bytes) -> bytes:
    encoding = chance.choice(("utf-16", "utf-16-le", "utf-32", "utf-8-sig", "utf-7"))
    return raw.decode().encode(encoding, "replace")


def _framed(chance: Chance, raw: bytes) -> bytes:
    before, behind = chance.choice(
        (
            (b" \t\r\n", b"\n"),
            (b"[", b"]"),
            (b"", b"\x00"),
            (b"\x00", b""),
            (b"", b"{}"),
            (b"", b"garbage"),
            (b"!", b""),
        )
    )
    return before + raw + behind


def _wrapped(chance: Chance, raw: bytes) -> bytes:
    return chance.choice((_text(raw.decode()).encode(), zlib.compress(raw), base64.b64encode(raw), repr(raw).encode()))


_HARMS: tuple[Callable[[Chance, bytes], bytes], ...] = (
    _truncated, _flipped, _inserted, _cut_out, _encoded, _framed, _wrapped,
)  # fmt: skip


def _structure(chance: Chance) -> bytes:
    """Return JSON, or nearly JSON, of a shape that no job has."""
    depth = chance.choice(_DEPTHS)
    opened, closed = chance.choice((("[", "]"), ('{"a":', "}")))
    nest = opened * depth + ("null" if opened != "[" else "") + closed * depth
    jid = _text(chance.randbytes(12).hex())
    match chance.randrange(5):
        case 0:
            return chance.choice(ANYTHING).encode()
        case 1:
            return chance.choice((nest, opened * depth, f"[{nest}]", closed * depth)).encode()
        case 2:
            return f'{{"class":"Ok","jid":{jid},"{chance.choice(("args", "deep"))}":{nest}}}'.encode()
        case 3:
            keys = ",".join(f'"{number}":{number}' for number in range(chance.choice((10, 1000))))
            return f'{{"class":"Ok","args":[],"jid":{jid},{keys}}}'.encode()
        case _:
            return f'{{"class":"Ok","args":[[],{",".join(["[]"] * 200)}],"jid":{jid}}}'.encode()


def _random_bytes(chance: Chance) -> bytes:
    return chance.randbytes(chance.randrange(60))


_LARGE = (
    ("jid", _text("j" * MB)),
    ("class", _text("C" * MB)),
    ("queue", _text("q" * MB)),
    ("comment", _text("\x1b" * (MB // 6))),
    ("args", "[" * 100_000),
    ("args", "[" * 100_000 + "]" * 100_000),
    ("args", '{"a":' * 100_000),
)


def _large(chance: Chance) -> bytes:
    """Return what weighs a megabyte, or nests as deep as a stack is."""
    key, text = chance.choice(_LARGE)
    fields = [(_text(name), text) for name, text in SANE.items() if name not in ("jid", key)]
    jid = [] if key == "jid" else [('"jid"', _text(chance.randbytes(12).hex()))]
    return _object([*fields, *jid, (_text(key), text)])


# Of a thousand; the rest are large.
_KINDS: tuple[tuple[int, Callable[[Chance], bytes]], ...] = (
    (650, _job),
    (830, _near),
    (930, _structure),
    (999, _random_bytes),
)
