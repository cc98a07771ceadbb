import re
from importlib.resources import files

import pytest

SCRIPTS = {
    path.name: path.read_text() for path in (files("sidelong.store") / "lua").iterdir() if path.name.endswith(".lua")
}


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_a_script_runs_at_full_memory_and_is_headed_by_what_it_takes_and_gives(name):
    shebang, *rest = SCRIPTS[name].splitlines()
    head = "\n".join(line for line in rest if line.startswith("--"))

    # What would fill the memory with a copy must not run.
    assert shebang in (("#!lua",) if name == "keep.lua" else ("#!lua flags=allow-oom", "#!lua flags=no-writes"))
    assert "-- KEYS" in head
    assert "-- Result" in head


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_a_script_leaves_payloads_alone(name):
    # Numbers of more than 14 digits and empty arrays do not survive Redis' own JSON.
    assert "cjson" not in SCRIPTS[name]
    assert not re.search(r"\bKEYS\s*\*", SCRIPTS[name])
