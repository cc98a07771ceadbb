import pytest
from hypothesis import given, strategies

from sidelong.web.places import place_of, read_segment, write_segment
from sidelong.web.security.returns import safe_return


@given(strategies.text(min_size=1))
def test_any_name_survives_in_a_path(name):
    segment = write_segment(name)

    assert read_segment(segment) == name
    assert set(segment) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.:~-")
    assert segment.strip(".") != ""


@given(strategies.text())
def test_no_segment_stands_for_two_names(segment):
    name = read_segment(segment)

    assert name is None or write_segment(name) == segment


@pytest.mark.parametrize(
    ("path", "root_path", "raw_path", "prefix", "ours"),
    [
        ("/jobs/queues", "/jobs", b"/jobs/queues", "/jobs", "/queues"),
        ("/jobs", "/jobs", b"/jobs", "/jobs", "/"),
        ("/jobs/", "/jobs", b"/jobs/", "/jobs", "/"),
        ("/jobs/jobs/queues", "/jobs", b"/jobs/jobs/queues", "/jobs", "/jobs/queues"),
        ("/queues/", "", b"/a/b/queues?x=/queues", "/a/b", "/queues"),
        ("/", "", b"/a", "/a", "/"),
        ("/queues", "", b"/queues", "", "/queues"),
        ("/queues", "/jobs", b"/queues", "/jobs", "/queues"),
        ("//queues", "", b"//queues", "", "//queues"),
        ("/queues", "", b"//evil.example/queues", "", "/queues"),
    ],
)
def test_hosts_that_keep_or_take_out_the_prefix_are_understood(path, root_path, raw_path, prefix, ours):
    place = place_of({"path": path, "root_path": root_path, "raw_path": raw_path})

    assert (place.prefix, place.path) == (prefix, ours)


@given(strategies.text())
def test_a_way_back_never_leaves_the_pages(given_path):
    path = safe_return(given_path, "/queues")

    assert path.startswith("/")
    assert not path.startswith(("//", "/\\"))
    assert path.isascii()
    assert path.isprintable()
