import json

import pytest
from benchmarks.report import document, read, reference, rounded, table

from tests.unit.benchmarks.figures import result


def test_reads_what_it_has_written():
    results = [
        result("drain", "one", {"sidelong": [3.0, 4.0], "arq": [1.0, 2.0]}, failures={"saq": "no wheel"}),
        result("io", "100 slots", {"sidelong": [90.0]}, measure="% of ideal", declined={"rq": "no slots"}),
        result("idle", "10 queues", {"sidelong": [3.0]}, measure="commands/s", counts="seconds", to="1 queue"),
    ]

    assert read(json.loads(json.dumps(document(results, "7.0.15", 0.5)))) == results


def test_tells_the_versions_of_the_libraries_that_took_part():
    versions = document([result("drain", "one", {"sidelong": [3.0], "docket": [1.0], "rq": [1.0]})], "7", 0.5)[
        "versions"
    ]

    assert {"sidelong", "redis-py", "docket", "rq"} <= versions.keys()
    assert "arq" not in versions
    assert all(version[0].isdigit() for version in versions.values())


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.0123, "0.012"),
        (0.5, "0.50"),
        (9.994, "9.99"),
        (9.996, "10.0"),
        (45.67, "45.7"),
        (99.96, "100"),
        (456.7, "457"),
        (45_678, "45,700"),
        (1_234_567, "1,230,000"),
    ],
)
def test_rounds_to_three_digits(value, text):
    assert rounded(value) == text


def test_tells_the_versions_of_the_web_server_only_where_it_was_under_load():
    web = document([result("web", "50 connections", {"sidelong": [3.0]}, measure="requests/s")], "7", 0.5)["versions"]
    drain = document([result("drain", "one", {"sidelong": [3.0]})], "7", 0.5)["versions"]

    assert {"uvicorn", "starlette"} <= web.keys()
    assert not {"uvicorn", "starlette"} & drain.keys()


def test_the_table_of_a_case_shows_everybody_and_how_sidelong_compares():
    figures = {"sidelong": [10.0, 30.0], "uvloop": [30.0, 30.0], "floor on uvloop": [60.0, 40.0]}
    case = result("drain", "one", figures, failures={"arq": "no wheel"}, declined={"rq": "no slots"})

    lines = [" ".join(line.split()) for line in table(case).splitlines()]

    assert lines == [
        "drain: one (1,000 jobs)",
        "Sidelong 20 jobs/s",
        "Sidelong on uvloop 30 jobs/s Sidelong / Sidelong on uvloop = 0.67 (0.33 to 1.00)",
        "floor on uvloop 50 jobs/s Sidelong on uvloop / floor on uvloop = 0.62 (0.50 to 0.75)",
        "rq does not take part: no slots",
        "arq could not run: no wheel",
    ]


def test_the_table_of_a_case_that_refers_to_another_says_the_ratio():
    one = result("idle", "1 queue", {"sidelong": [2.0]}, measure="commands/s", counts="seconds", jobs=12)
    ten = result(
        "idle", "10 queues", {"sidelong": [3.0]}, measure="commands/s", counts="seconds", jobs=12, to="1 queue"
    )

    text = table(ten, reference(ten, [one, ten]))

    assert "idle: 10 queues (12 seconds)" in text
    assert text.endswith("1.50 of 1 queue")


@pytest.mark.parametrize("others", [[], [result("idle", "1 queue", {}, failures={"sidelong": "it said nothing"})]])
def test_without_figures_of_the_other_case_there_is_no_reference(others):
    ten = result("idle", "10 queues", {"sidelong": [3.0]}, to="1 queue")

    assert reference(ten, [*others, ten]) is None
