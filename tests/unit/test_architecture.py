import ast
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from sidelong.store import keys

CHECKOUT = Path(__file__).parents[2]
SOURCES = CHECKOUT / "src" / "sidelong"
MODULES = sorted(SOURCES.rglob("*.py"))
SCRIPTS = sorted(SOURCES.rglob("*.lua"))

MOST_LINES = 400
EXTRAS = {
    "cryptography",
    "fakeredis",
    "jinja2",
    "lupa",
    "opentelemetry",
    "prometheus_client",
    "setproctitle",
    "starlette",
    "uvicorn",
    "uvloop",
    "watchfiles",
}
COMMAND_LINE = {"click", "rich", "typer"}
# Our own prefix and those of Sidekiq, but not the `sidelong: ` that begins a line on the screen.
KEY = re.compile(r"(sidelong|queue|stat):(?! )")
VAGUE_FILES = {"base", "common", "helper", "helpers", "misc", "util", "utils"}
# `exc` is left out: asyncio calls a parameter of `connection_lost` so.
SHORTENED = re.compile(
    r"addr|arr|attrs?|buf|cb|cfg|cmd|cnt|conf|conn|ctx|curr?|dst|elem|err|evt|fn|func|idx|impl|lst|mgr|msgs?|num|obj"
    r"|params?|pos|prev|proc|ptr|recv|req|resp?|ret|sig|src|srv|tmp|vals?",
    re.IGNORECASE,
)


def named(path: Path) -> str:
    return path.relative_to(SOURCES).as_posix()


def read(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(path.read_text())))


def imported(nodes: list[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def typing_only(nodes: list[ast.AST]) -> set[str]:
    blocks = [node for node in nodes if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    return {name for block in blocks for name in imported(list(ast.walk(block)))}


def words_of_names(nodes: list[ast.AST]) -> Iterator[str]:
    for node in nodes:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                pass
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                pass
            case _:
                continue
        yield from re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)


def test_the_layers_hold():
    linter = Path(sys.executable).with_name("lint-imports")

    done = subprocess.run([linter, "--no-cache"], cwd=CHECKOUT, capture_output=True, text=True, timeout=60)

    assert done.returncode == 0, done.stdout


def test_only_the_store_imports_redis():
    found = {}
    for path in MODULES:
        nodes = read(path)
        at_runtime = set(imported(nodes)) - typing_only(nodes)
        found[named(path)] = {name for name in at_runtime if name.split(".")[0] in ("redis", "fakeredis", "hiredis")}

    assert [name for name, clients in found.items() if clients and not name.startswith("store/")] == []


def test_importing_sidelong_loads_neither_extras_nor_the_command_line():
    # redis-py loads some of the extras by itself where they are installed.
    code = (
        "import redis.asyncio, sys; before = set(sys.modules); "
        "import sidelong; print(*{name.split('.')[0] for name in set(sys.modules) - before})"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)

    assert "sidelong" in done.stdout
    assert set(done.stdout.split()) & (EXTRAS | COMMAND_LINE) == set()


def test_the_environment_is_read_in_one_file():
    readers = {
        named(path)
        for path in MODULES
        for node in read(path)
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv")
    }

    assert readers == {"settings.py"}


def test_key_names_are_written_in_one_file():
    texts = {
        named(path): [
            node.value for node in read(path) if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]
        for path in MODULES
    }
    texts |= {named(path): re.findall(r"(?<=['\"])[^'\"\n]*", path.read_text()) for path in SCRIPTS}

    assert {name for name, strings in texts.items() if any(map(KEY.match, strings))} == {"store/keys.py"}


def test_every_key_is_declared_once():
    samples: dict[str, Any] = {
        "identity": "host:1:0123456789ab",
        "jid": "0123456789abcdef01234567",
        "name": "a:b",
        "queue_name": "a:b",
        "counter": keys.FAILED,
    }
    samples |= {
        "day": "2026-01-31",
        "job_class": "a|b:c",
        "label": "abc",
        "question": "0123456789abcdef01234567",
        "stamp": "2026-01-31T20:05",
    }
    samples["question"] = samples["rewrite"] = "0123456789abcdef01234567"
    samples["moment"] = datetime(2026, 1, 31, 20, 5)
    made = [make for make in vars(keys).values() if inspect.isfunction(make) and make.__module__ == keys.__name__]
    used = [make(**{name: samples[name] for name in inspect.signature(make).parameters}) for make in made]
    used += [value for name, value in vars(keys).items() if name.isupper() and name[0] != "_" and type(value) is str]

    for key in used:
        rows = [row for row in keys.CATALOGUE if re.fullmatch(row.pattern, key)]
        assert len(rows) == 1, f"{key} is declared {len(rows)} times"


def test_no_file_is_longer_than_one_concept_needs():
    lengths = {named(path): len(path.read_text().splitlines()) for path in MODULES + SCRIPTS}

    assert {name: lines for name, lines in lengths.items() if lines > MOST_LINES} == {}


def test_names_are_whole_words():
    shortened = {named(path): set(filter(SHORTENED.fullmatch, words_of_names(read(path)))) for path in MODULES}

    assert {name: words for name, words in shortened.items() if words} == {}
    assert [named(path) for path in MODULES if path.stem in VAGUE_FILES] == []


def test_every_module_says_what_it_is_for():
    assert [named(path) for path in MODULES if not ast.get_docstring(ast.parse(path.read_text()))] == []
