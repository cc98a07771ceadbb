import json

import pytest
from benchmarks.report import document, read, rounded

from tests.unit.benchmarks.figures import result


def test_reads_what_it_has_written():
    results = [
        result("drain", "one", {"sidelong": [3.0, 4.0], "arq": [1.0, 2.0]}, failures={"saq": "no wheel"}),
        result("io", "100 slots", {"sidelong": [90.0]}, measure="% of ideal", declined={"rq": "no slots"}),
    ]

    assert read(json.loads(json.dumps(document(results, "7.0.15")))) == results


def test_tells_the_versions_of_the_libraries_that_took_part():
    versions = document([result("drain", "one", {"sidelong": [3.0], "docket": [1.0], "rq": [1.0]})], "7")["versions"]

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
