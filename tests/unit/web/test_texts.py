import re
from pathlib import Path

from sidelong.store import keys
from sidelong.web import texts

WEB = Path(texts.__file__).parent
TEMPLATES = sorted((WEB / "templates").glob("*.html"))
SOURCES = "".join(path.read_text() for path in [*TEMPLATES, *WEB.rglob("*.py")])


def test_every_text_that_a_template_names_is_there():
    named = {key for path in TEMPLATES for key in re.findall(r"""\bt\(["'](\w+)["'](?=[,)])""", path.read_text())}

    assert named - texts.TEXTS.keys() == set()


def test_no_text_is_left_over():
    made_up = (
        "fault_",
        "said_",
        "also_",
        "confirm_",
        "days_",
        "filter_",
        "quiet_all",
        "stop_all",
        "strict_",
        "weighted_",
        "random_",
        "key_",
        "redis_",
        "groups_of_",
        "edit_",
        "event_",
        "reason_",
    )
    left = {key for key in texts.TEXTS if not re.search(rf"\b{key}\b", SOURCES.replace(f'"{key}": "', ""))}

    assert {key for key in left if not key.startswith(made_up)} == set()


def test_no_template_marks_anything_as_safe_or_holds_a_script_or_style():
    for path in TEMPLATES:
        html = path.read_text()
        assert re.search(r"\|\s*safe|autoescape|<style|\sstyle=|\son\w+=|<script(?![^>]*\bsrc=)", html) is None, (
            path.name
        )


def test_one_thing_is_told_from_many():
    assert texts.text("count_of_jobs", n=1) == "1 job"
    assert texts.text("count_of_jobs", n=1234) == "1,234 jobs"
    assert texts.said("retry", [2, 1]) == "2 jobs retried. 1 was already gone."


def test_every_key_that_we_or_sidekiq_write_is_explained():
    kinds = {row.name for row in (*keys.CATALOGUE, *keys.OF_RUBY)}

    assert {f"key_{kind}" for kind in kinds} - texts.TEXTS.keys() == set()
    assert {key.removeprefix("key_") for key in texts.TEXTS if key.startswith("key_")} == {*kinds, "of_others"}
