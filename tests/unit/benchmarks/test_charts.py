import xml.etree.ElementTree as ElementTree

import pytest
from benchmarks.charts import draw, ranked
from benchmarks.peers import PEERS, RUBY

from tests.unit.benchmarks.figures import result

FIGURES = {"sidelong": [40_000.0], "uvloop": [50_000.0], "floor": [90_000.0], RUBY.name: [6_000.0]} | {
    peer.name: [1_000.0 + place] for place, peer in enumerate(PEERS)
}


@pytest.fixture
def drawn(tmp_path):
    pytest.importorskip("matplotlib")

    def drawn(*results):
        path = tmp_path / "images" / "one.svg"
        draw(results, path)
        return path

    return drawn


def words_of(path):
    return ["".join(text.itertext()) for text in ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}text")]


def test_shows_each_contestant_with_its_figure(drawn):
    words = words_of(drawn(result("drain", "100 slots", FIGURES)))

    assert "100 slots: jobs/s, more is better" in words
    assert {"Sidelong", "Sidelong on uvloop", "floor", "Ruby's Sidekiq", "arq"} <= set(words)
    assert {"40,000", "50,000", "90,000", "6,000", "1,000"} <= set(words)


def test_the_same_figures_give_the_same_bytes(drawn):
    results = [result("drain", "one", FIGURES), result("drain", "two", FIGURES)]

    first = drawn(*results).read_bytes()

    assert drawn(*results).read_bytes() == first
    assert b"<dc:date>" not in first


def test_is_small_enough_for_a_repository_with_all_libraries_and_five_cases(drawn):
    path = drawn(*(result("drain", f"case {number}", FIGURES) for number in range(5)))

    assert path.stat().st_size < 60_000


def test_a_bar_that_would_hide_the_others_is_cut(drawn):
    case = result("latency", "one", {"sidelong": [300], "arq": [900], "huey": [99_000]}, measure="p50 µs")

    words = words_of(drawn(case))

    assert "99,000 (bar cut)" in words
    assert "900" in words


def test_sidelong_and_the_floor_come_before_the_libraries():
    assert ranked(result("drain", "one", {"arq": [1], "floor": [9], "saq": [2], "sidelong": [5]})) == [
        "sidelong",
        "floor",
        "saq",
        "arq",
    ]
