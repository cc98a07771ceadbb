"""Load and run `lua/*.lua`: one script per file, headed by its keys, arguments and result."""

import hashlib
from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import Any

from redis import Redis
from redis.exceptions import NoScriptError

from sidelong.errors import Refused
from sidelong.store.link import Link
from sidelong.store.wire import Word


def _read(name: str) -> str:
    return files("sidelong.store").joinpath("lua", f"{name}.lua").read_text(encoding="utf-8")


class Script:
    """One Lua script, sent by its digest and loaded where a server does not know it yet.

    Args:
        name: file name without its ending.
        has_flags: False where the server refuses the line that lets a script run at full memory.
        shared: files in `lua/shared` whose functions it uses.
    """

    def __init__(self, name: str, *, has_flags: bool, shared: Sequence[str] = ()) -> None:
        flags, _, source = _read(name).partition("\n")
        source = "".join(_read(f"shared/{each}") for each in shared) + source
        if has_flags:
            source = f"{flags}\n{source}"
        self.name = name
        self._source = source
        self._digest = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()

    async def run(self, link: Link, keys: Sequence[Word], args: Sequence[Word]) -> Any:
        """Run the script over `link`; raises what `Link.call` raises."""
        try:
            return await link.call("EVALSHA", self._digest, len(keys), *keys, *args)
        except Refused as error:
            if error.code != "NOSCRIPT":
                raise
        # Nothing was done, so that sending it again is no repeat.
        await link.call("SCRIPT", "LOAD", self._source)
        return await link.call("EVALSHA", self._digest, len(keys), *keys, *args)

    def run_blocking(self, client: Redis, keys: Sequence[Word], args: Sequence[Word]) -> Any:
        """Run the script from a thread that has a client of its own."""
        execute: Callable[..., Any] = client.execute_command
        try:
            return execute("EVALSHA", self._digest, len(keys), *keys, *args)
        except NoScriptError:
            execute("SCRIPT LOAD", self._source)
        return execute("EVALSHA", self._digest, len(keys), *keys, *args)


class Scripts:
    """All scripts of the store."""

    def __init__(self, *, has_flags: bool = True) -> None:
        self.turn = Script("turn", has_flags=has_flags, shared=["batches", "dead"])
        self.sizes = Script("sizes", has_flags=has_flags)
        self.due = Script("due", has_flags=has_flags)
        self.move = Script("move", has_flags=has_flags, shared=["dead"])
        self.page = Script("page", has_flags=has_flags)
        self.clear_set = Script("clear_set", has_flags=has_flags)
        self.kill = Script("kill", has_flags=has_flags, shared=["dead"])
        self.beat = Script("beat", has_flags=has_flags)
        self.look = Script("look", has_flags=has_flags)
        self.bury = Script("bury", has_flags=has_flags)
        self.recover = Script("recover", has_flags=has_flags, shared=["dead"])
        self.leave = Script("leave", has_flags=has_flags)
        self.restore = Script("restore", has_flags=has_flags)
        self.mark = Script("mark", has_flags=has_flags)
        self.rights = Script("rights", has_flags=has_flags)
        self.swap = Script("swap", has_flags=has_flags)
        self.sweep = Script("sweep", has_flags=has_flags)
        self.keep = Script("keep", has_flags=has_flags)
        self.catch_up = Script("catch_up", has_flags=has_flags)
        self.replace = Script("replace", has_flags=has_flags)
        self.clear = Script("clear", has_flags=has_flags)
        self.pause = Script("pause", has_flags=has_flags)
        self.signal = Script("signal", has_flags=has_flags)
        self.tell = Script("tell", has_flags=has_flags)
        self.answer = Script("answer", has_flags=has_flags)
        self.seek = Script("seek", has_flags=has_flags)
        self.prune = Script("prune", has_flags=has_flags)
        self.flush = Script("flush", has_flags=has_flags, shared=["batches"])
        self.deploy = Script("deploy", has_flags=has_flags)
        self.browse = Script("browse", has_flags=has_flags)
        self.step = Script("step", has_flags=has_flags)
