import pytest

from sidelong.cli.top.keys import Decoder


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        (b"pq", ["p", "q"]),
        (b"\t\x1b[Z", ["tab", "backtab"]),
        (b"\x1b[A\x1b[B\x1bOA\x1bOB", ["up", "down", "up", "down"]),
        (b"\x1b[5~\x1b[6~", ["page_up", "page_down"]),
        (b"\x1b[H\x1b[F\x1b[1~\x1b[4~\x1bOH\x1bOF", ["home", "end"] * 3),
        # Neither the function key nor the modified arrow may pause or cancel anything.
        (b"\x1b[15~\x1b[1;5C\x1bOPx", ["unknown", "unknown", "unknown", "x"]),
        (b"\x1bc", ["unknown"]),
        ("ü".encode(), ["\ufffd", "\ufffd"]),
    ],
)
def test_bytes_are_keys(data, keys):
    assert Decoder().feed(data) == keys


def test_a_key_may_come_in_parts():
    decoder = Decoder()

    assert [decoder.feed(part) for part in (b"\x1b", b"[", b"Bj")] == [[], [], ["down", "j"]]
    assert not decoder.is_waiting


def test_escape_is_a_key_once_nothing_follows():
    decoder = Decoder()
    assert decoder.feed(b"\x1b") == []
    assert decoder.is_waiting

    assert decoder.flush() == ["escape"]
    assert decoder.flush() == []
    assert decoder.feed(b"c") == ["c"]
