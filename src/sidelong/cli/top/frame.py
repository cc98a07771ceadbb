"""One frame of the view: lines that fit the terminal, made of a snapshot and nothing else."""

import textwrap
from collections.abc import Sequence
from typing import Final

from rich.text import Text

from sidelong.cli.operator.table import Column, cut, fitted, joined
from sidelong.cli.operator.times import utc
from sidelong.cli.top.sections import Section, sections
from sidelong.cli.top.snapshot import Snapshot
from sidelong.cli.top.view import View
from sidelong.core.display import escaped, shown

_MARK: Final = "> "
_LONGEST: Final = 500
"""Characters of a cell that are looked at: more fit no terminal."""
_LONGEST_FIXED: Final = 32
_LEAST_ROWS: Final = 8
"""Where all sections together would have fewer, only the chosen one is shown."""

_MUCH_HEIGHT: Final = 10
"""Lines from which on the totals may take two."""

_FOOTERS: Final = (
    "Tab section  j/k choose  p pause  t quiet  r retry  c cancel  ? help  q quit",
    "Tab j/k p t r c  ? help  q quit",
    "? help  q quit",
)
_HELP: Final = (
    "",
    "  Tab, Shift-Tab       the next section, and the one before",
    "  j, k, arrows         the next row, and the one before",
    "  PgDn, PgUp           ten rows on, and back",
    "  Home, End            the first row, and the last",
    "",
    "  p                    pause the chosen queue, or let it be served again",
    "  t                    quiet the chosen process: it fetches no more jobs",
    "  r                    retry the chosen job now; the attempt does not count",
    "  c                    cancel the chosen busy job",
    "                       (t, r and c ask; y is yes, any other key is no)",
    "",
    "  ?, h                 this help",
    "  q                    quit",
    "",
    "  PER MIN              jobs of a queue that ended in a minute",
    "  LAG MS               how late the event loop ran, in milliseconds",
)


def frame(
    snapshot: Snapshot | None, view: View | None, address: str, width: int, height: int, *, trouble: str = ""
) -> Text:
    """Return what is to be seen: at most `height` lines, none of which takes more than `width` columns.

    Args:
        snapshot: what is known; None before the first look.
        view: where whoever looks has got to; None for a single frame without keys.
        address: of the Redis.
        width: columns of the terminal.
        height: its lines.
        trouble: why nothing newer is known.
    """
    lines = [_title(snapshot, address, width), *_totals(snapshot, width, height, trouble)]
    below = [] if view is None else [*_notice(snapshot, view, width), _footer(width)]
    room = height - len(lines) - len(below)
    body: list[Text] = []
    if view is not None and view.is_helping:
        body = [_line(text, width) for text in _HELP]
    elif snapshot is not None:
        body = _sections(snapshot, view, width, room)
    lines += body[: max(0, room)]
    if below:
        lines += [*[Text()] * (height - len(lines) - len(below)), *below]
    return Text("\n").join(lines[:height])


def _title(snapshot: Snapshot | None, address: str, width: int) -> Text:
    exact = "" if snapshot is None else utc(snapshot.taken_at) or ""
    time = f"{exact[11:19]} UTC" if exact else ""
    left = Text(cut(f"sidelong top  {escaped(address)}", max(1, width - len(time) - 2)))
    gap = " " * (width - left.cell_len - len(time))
    return _line(f"{left.plain}{gap}{time}", width, "bold")


def _footer(width: int) -> Text:
    fitting = (each for each in _FOOTERS if len(each) <= width)
    return _line(next(fitting, _FOOTERS[-1]), width, "dim")


def _totals(snapshot: Snapshot | None, width: int, height: int, trouble: str) -> list[Text]:
    if trouble:
        return _wrapped(trouble, width, "bold red")
    if snapshot is None:
        return [_line("asking Redis ...", width)]
    figures = snapshot.figures
    if figures is None:
        return [_line("the counters cannot be read", width, "red")]
    named = {
        "done": figures.processed,
        "failed": figures.failed,
        "enqueued": sum(queue.size for queue in snapshot.queues.rows.values()),
        "scheduled": figures.scheduled_size,
        "retry": figures.retry_size,
        "dead": figures.dead_size,
    }
    texts = [f"{name} {number:,}" for name, number in named.items()]
    lines = [""]
    for text in texts:
        longer = f"{lines[-1]}  {text}" if lines[-1] else text
        # What says that something is wrong stands last: it is not to be cut off.
        if len(longer) > width and len(lines) == 1 and height >= _MUCH_HEIGHT:
            lines.append(text)
        else:
            lines[-1] = longer
    return [_line(line, width) for line in lines]


def _notice(snapshot: Snapshot | None, view: View, width: int) -> list[Text]:
    if view.question is not None:
        # The answers must be seen, however long a name is.
        answers = " [y/N]"
        question = cut(view.question.question or "", max(1, width - len(answers)))
        return [_line(f"{question}{answers}", width, "bold yellow")]
    if view.message:
        return _wrapped(view.message, width, "bold")
    return _wrapped(next(iter(() if snapshot is None else unreadable(snapshot)), ""), width, "red")


def unreadable(snapshot: Snapshot) -> list[str]:
    """Return what no section tells: a sentence for each key that cannot be read."""
    errors = [] if snapshot.figures is None else snapshot.figures.errors
    pauses = (queue.pause_error for queue in snapshot.queues.rows.values() if queue.pause_error is not None)
    return [f"a key cannot be read: {shown(error)}" for error in dict.fromkeys((*errors, *pauses))]


def _sections(snapshot: Snapshot, view: View | None, width: int, room: int) -> list[Text]:
    parts = sections(snapshot, width)
    if view is not None and room - len(parts) < _LEAST_ROWS:
        parts = [part for part in parts if part.name == view.section]
    needs = [1 if part.listed.error is not None else len(part.listed.rows) for part in parts]
    chosen = next((place for place, part in enumerate(parts) if view is not None and part.name == view.section), 0)
    rooms = share(needs, chosen, room - len(parts))
    has_gaps = room - len(parts) - sum(rooms) >= len(parts) - 1
    lines: list[Text] = []
    for part, rows in zip(parts, rooms, strict=True):
        if lines and has_gaps:
            lines.append(Text())
        lines += _section(part, view, width, rows)
    return lines


def share(needs: Sequence[int], chosen: int, room: int) -> list[int]:
    """Return how many rows each section gets: the chosen one two for each of the others, and none more than it has."""
    rows = [0] * len(needs)
    turns = [chosen, *range(len(needs))]
    while room > 0 and any(has < need for has, need in zip(rows, needs, strict=True)):
        for turn in turns:
            if room > 0 and rows[turn] < needs[turn]:
                rows[turn] += 1
                room -= 1
    return rows


def _section(part: Section, view: View | None, width: int, rows: int) -> list[Text]:
    listed, is_chosen = part.listed, view is not None and view.section == part.name
    targets = list(listed.rows.values())
    place = view.place(part.name) if view is not None else 0
    # The chosen row stays in sight, in the middle where that is possible.
    start = max(0, min(place - rows // 2, len(targets) - rows))
    seen = targets[start : start + rows]
    total = f"{part.title} {listed.total:,}"
    is_part = seen and len(seen) < listed.total
    titles = [f"{part.title} {start + 1:,}-{start + len(seen):,} of {listed.total:,}", total] if is_part else [total]
    columns = part.columns
    cells = [[_cell(text, column) for text, column in zip(part.cells(target), columns, strict=True)] for target in seen]
    for title in titles:
        heads = part.headed(title)
        widths = fitted(heads, cells, max(1, width - len(_MARK)))
        # How many there are is more than which of them are seen.
        if widths[0] >= len(title):
            break
    mark = _MARK if is_chosen else " " * len(_MARK)
    heading = joined([head.title for head in heads], heads, widths, is_cut=True)
    lines = [_line(f"{mark}{heading}", width, "bold underline" if is_chosen else "bold")]
    if listed.error is not None and rows:
        lines.append(_line(f"  it cannot be read: {listed.error}", width, "red"))
    for number, each in enumerate(cells, start):
        is_here = is_chosen and number == place
        text = joined(each, columns, widths, is_cut=True)
        lines.append(_line(f"{_MARK if is_here else ' ' * len(_MARK)}{text}", width, "reverse" if is_here else ""))
    return lines


def _cell(text: str, column: Column) -> str:
    clean = escaped(text[-_LONGEST:] if column.keeps_end else text[:_LONGEST])
    # A long id pushes the rest of its own line aside, not of all.
    return clean if column.is_flexible else cut(clean, _LONGEST_FIXED)


def _line(text: str, width: int, style: str = "") -> Text:
    return Text(cut(escaped(text), width), style)


def _wrapped(text: str, width: int, style: str) -> list[Text]:
    """Return a sentence on as many lines as it needs, three at most; an empty one has one."""
    return [_line(line, width, style) for line in textwrap.wrap(escaped(text), width)[:3] or [""]]
