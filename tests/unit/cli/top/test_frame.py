from dataclasses import replace

import pytest
from rich.console import Console

from sidelong.cli.operator.table import width as columns_of
from sidelong.cli.top.frame import frame, share
from sidelong.cli.top.view import View
from tests.unit.cli.top import samples

ADDRESS = "redis://localhost:6379/0"
HOSTILE = "[bold red]x[/] \x1b[31m\r\n\u202e\udcff" + "界" * 300


def seen(snapshot, view=None, width=80, height=24, **options):
    """Return the lines of a frame."""
    return frame(snapshot, view, ADDRESS, width, height, **options).plain.split("\n")


def looking_at(snapshot, section="queues", *keys):
    view = View(section)
    view.heed(snapshot)
    for key in keys:
        view.press(key, snapshot)
    return view


@pytest.mark.parametrize("section", ["queues", "processes", "busy", "retries"])
@pytest.mark.parametrize("text", ["", HOSTILE, "x" * 3000])
@pytest.mark.parametrize(("width", "height"), [(80, 24), (132, 50), (300, 80), (40, 12), (20, 3), (1, 1)])
def test_no_line_is_longer_than_the_terminal_and_there_are_no_more_than_it_has(section, text, width, height):
    snapshot = samples.crowded(text=text)

    lines = seen(snapshot, looking_at(snapshot, section, "end"), width, height)

    assert len(lines) == height
    assert max(map(columns_of, lines)) <= width
    assert all(line.isprintable() for line in lines)


def test_80_columns_have_room_for_what_matters():
    snapshot = samples.snapshot(
        [samples.queue("mailers", 1200), samples.queue("low", is_paused=True)],
        [samples.process("web-1:11:0123456789ab", queues=["mailers"])],
        [samples.work("0123456789abcdef01234567", "shop.jobs.charge", 42)],
        [samples.retry("a" * 24)],
        rates={"mailers": 90.4},
    )

    lines = seen(snapshot, looking_at(snapshot))

    rows = [line.split() for line in lines]
    assert rows[1][:6] == ["done", "1,234", "failed", "5", "enqueued", "1,203"]
    assert [">", "mailers", "1,200", "12", "s", "90", "1"] in rows
    assert ["low", "3", "12", "s", "-", "0", "paused"] in rows
    assert ["web-1:11:0123456789ab", "2/10", "7", "50", "3", "s", "ago", "mailers"] in rows
    assert ["shop.jobs.charge", "1", "min", "default", "0123456789abcdef01234567", "42"] in rows
    assert ["shop.jobs.ship", "in", "30", "s", "2", "KeyError:", "no", "such", "order"] in rows


def test_large_figures_take_a_second_line_rather_than_that_any_is_cut_off():
    snapshot = samples.snapshot([samples.queue("low", 1_234_567)], retries_total=1_000_000)
    figures = replace(
        snapshot.figures, processed=1_234_567_890, failed=12_345_678, scheduled_size=123_456, retry_size=1_000_000
    )

    lines = seen(replace(snapshot, figures=figures))

    assert lines[1].split("  ") == [
        "done 1,234,567,890",
        "failed 12,345,678",
        "enqueued 1,234,567",
        "scheduled 123,456",
    ]
    assert lines[2] == "retry 1,000,000  dead 7"


@pytest.mark.parametrize("width", [80, 40, 20])
def test_the_help_and_the_way_out_are_told_on_every_terminal(width):
    snapshot = samples.snapshot()

    lines = seen(snapshot, looking_at(snapshot), width, 10)

    assert lines[-1].endswith("? help  q quit")


def test_where_there_is_no_room_for_which_rows_are_seen_it_is_told_how_many_there_are():
    snapshot = samples.crowded(1000, text="-" * 60)

    lines = seen(snapshot, looking_at(snapshot, "busy", "end"))

    titles = [
        line[2:].split("  ")[0] for line in lines if line[2:].startswith(("QUEUES", "PROCESSES", "BUSY", "RETRIES"))
    ]
    assert [title.rpartition(" ")[2] for title in titles] == ["1,000"] * 4
    assert "PROCESSES 1,000" in titles


def test_a_wide_terminal_shows_more():
    snapshot = samples.snapshot(busy=[samples.work("b" * 24)], retries=[samples.retry("a" * 24)])

    narrow, wide = "".join(seen(snapshot)), "".join(seen(snapshot, width=132))

    assert "a" * 24 not in narrow
    assert "a" * 24 in wide
    assert "web-1:11:aa" in wide


def test_what_looks_like_markup_is_shown_as_it_is():
    snapshot = samples.snapshot([samples.queue("[red]x[/red]\x1b[2J")])
    console = Console(width=80, force_terminal=True, color_system="truecolor")

    with console.capture() as captured:
        console.print(frame(snapshot, None, ADDRESS, 80, 24))

    assert r"[red]x[/red]\x1b[2J" in captured.get()
    assert "\x1b[2J" not in captured.get()
    assert "\x1b[31m" not in captured.get()


@pytest.mark.parametrize("keys", [["end"], ["end", "k"], ["page_down", "page_down"], ["j"] * 30])
def test_the_chosen_row_stays_in_sight(keys):
    snapshot = samples.crowded()
    view = looking_at(snapshot, "retries", *keys)

    chosen = [line for line in seen(snapshot, view) if line.startswith("> ") and "ship_" in line]

    assert len(chosen) == 1
    assert f"ship_{view.place('retries')} " in chosen[0]


def test_it_is_told_which_of_many_rows_are_seen():
    snapshot = samples.snapshot(
        retries=[samples.retry(str(number), at=number) for number in range(90)], retries_total=5000
    )

    assert any(line.startswith("  RETRIES 1-18 of 5,000") for line in seen(snapshot, height=24))


def test_a_question_shows_its_answers_however_long_the_name_is():
    snapshot = samples.snapshot(processes=[samples.process("host" * 100)])

    view = looking_at(snapshot, "processes", "t")

    question = seen(snapshot, view)[-2]
    assert question.startswith("Quiet hosthost")
    assert question.endswith("… [y/N]")


def test_what_cannot_be_read_is_told():
    snapshot = samples.snapshot(problem="WRONGTYPE (key retry)", errors=["WRONGTYPE (key dead)"])

    text = "\n".join(seen(snapshot, looking_at(snapshot)))

    assert "it cannot be read: WRONGTYPE (key retry)" in text
    assert "a key cannot be read: WRONGTYPE (key dead)" in text


def test_trouble_is_told_before_and_after_the_first_look():
    assert seen(None, View(), trouble="no connection")[1] == "no connection"
    assert seen(samples.crowded(), View(), trouble="no connection")[1] == "no connection"


def test_the_help_names_every_key_of_the_footer():
    snapshot = samples.snapshot()

    lines = seen(snapshot, looking_at(snapshot, "queues", "?"))

    explained = {line.split()[0].rstrip(",") for line in lines if line.startswith("  ")}
    assert explained >= set("ptrcq?j")
    assert lines[-1].startswith("Tab section")


@pytest.mark.parametrize(
    ("needs", "chosen", "room", "shares"),
    [
        ([1, 2, 3, 4], 0, 20, [1, 2, 3, 4]),
        ([50, 50, 50, 50], 1, 10, [2, 4, 2, 2]),
        ([50, 0, 0, 0], 3, 16, [16, 0, 0, 0]),
        ([9, 9], 0, 0, [0, 0]),
        ([9, 9], 0, -3, [0, 0]),
    ],
)
def test_rows_are_shared(needs, chosen, room, shares):
    assert share(needs, chosen, room) == shares
