from pathlib import Path

import pytest

from tests.chaos.dump_file import load, save
from tests.support.redis_state import Entry

EVERYTHING = {
    "a string": Entry("string", b"\xff\x00"),
    "queue:default": Entry("list", [b"new", b"same", b"same", b"old"]),
    "queues": Entry("set", frozenset({b"default", b"\xe9"})),
    "identity": Entry("hash", {b"busy": b"1"}, ttl=60.0),
    "retry": Entry("zset", {b"one": 1.5, b"two": 1e10, b"never": float("inf")}),
    "stream": Entry("stream", [(b"1-1", {b"field": b"value"})]),
    b"not utf-8 \xff".decode("utf-8", "surrogateescape"): Entry("string", b"x"),
}


def test_what_is_saved_is_loaded_again_to_the_byte(tmp_path: Path) -> None:
    save(tmp_path / "dump.json", EVERYTHING)

    assert load(tmp_path / "dump.json") == EVERYTHING


def test_a_type_that_is_not_known_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no way to write a module"):
        save(tmp_path / "dump.json", {"key": Entry("module", b"")})
