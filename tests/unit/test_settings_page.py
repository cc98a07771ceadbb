import re
import tomllib
from dataclasses import MISSING, fields
from pathlib import Path

from sidelong.core.config import Config
from sidelong.settings import resolve

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"
NO_VARIABLE = {"capsules", "transient"}
ROW = re.compile(r"^\| `(\w+)` \| (\S+) \| (\S+) \|", re.MULTILINE)


def written(value):
    match value:
        case bool():
            return str(value).lower()
        case float():
            return f"{value:.15g}"
        case _:
            return str(value) if value else "-"


def test_the_page_lists_every_setting_with_its_variable_and_default():
    defaults = {
        each.name: each.default if each.default is not MISSING else each.default_factory() for each in fields(Config)
    }

    rows = ROW.findall(PAGE.read_text())

    assert rows == [
        (name, "-" if name in NO_VARIABLE else f"`SIDELONG_{name.upper()}`", written(default))
        for name, default in defaults.items()
    ]


def test_the_file_on_the_page_works(tmp_path, monkeypatch):
    (example,) = re.findall(r"```toml title=\"sidelong.toml\"\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "sidelong.toml").write_text(example)
    monkeypatch.chdir(tmp_path)

    config = resolve({}, {"APP_ENV": "production"}).config

    assert "env" in tomllib.loads(example)
    assert (config.concurrency, config.log_format, config.redis_url) == (50, "json", "redis://localhost:6379/0")
    assert [capsule.name for capsule in config.capsules] == ["slow"]
