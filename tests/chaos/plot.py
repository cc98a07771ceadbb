"""A picture of a long run: one panel for each thing that must not grow."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from tests.chaos.samples import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_POINTS = 240
_INK = "#333333"
_WORKERS = ("worker 1", "worker 2")
# Told apart by lightness as well as by colour.
_COLOURS = {"worker 1": "#8cb8e8", "worker 2": "#c05a00", "producer": "#8a8a8a", "redis": "#b2182b"}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a panel.

    Attributes:
        label: what the legend calls it.
        column: of the samples.
        colour: of the line.
        is_pace: true to show by how much it grows a second.
        is_dashed: true for the second kind of thing in a panel.
    """

    label: str
    column: str
    colour: str
    is_pace: bool = False
    is_dashed: bool = False


def _of(names: Sequence[str], field: str, called: str = "", *, pace: bool = False, dashed: bool = False) -> list[Line]:
    return [Line(f"{name} {called}".strip(), f"{name} {field}", _COLOURS[name], pace, dashed) for name in names]


PANELS = (
    ("Memory", "MB", _of((*_WORKERS, "producer", "redis"), "memory_mb")),
    (
        "Descriptors and connections to Redis",
        "count",
        [*_of(_WORKERS, "descriptors", "descriptors"), *_of(_WORKERS, "connections", "connections", dashed=True)],
    ),
    (
        "Tasks and threads",
        "count",
        [*_of(_WORKERS, "tasks", "tasks"), *_of(_WORKERS, "threads", "threads", dashed=True)],
    ),
    ("Log", "lines a second", _of(_WORKERS, "log_lines", pace=True)),
    (
        "Jobs",
        "jobs, jobs a second",
        [
            Line("finished a second", "redis processed", "#1b7837", is_pace=True),
            Line("failed a second", "redis failed", "#b2182b", is_pace=True),
            Line("waiting in queues", "redis queued", _INK, is_dashed=True),
        ],
    ),
)


def draw(rows: Sequence[Row], began: float, ended: float, title: str, path: Path) -> str:
    """Write an SVG; return why it is not drawn, or nothing.

    Args:
        rows: the samples.
        began: when the steady part began, as rows count it.
        ended: when it ended.
        title: above all panels.
        path: of the picture.
    """
    if find_spec("matplotlib") is None:
        return "no plot is drawn: matplotlib is not installed (the extra `plots`)"
    import matplotlib

    matplotlib.use("svg")
    # The same samples give the same bytes, and text stays text.
    matplotlib.rcParams.update({"svg.hashsalt": "sidelong", "svg.fonttype": "none", "font.size": 9})
    from matplotlib import pyplot

    shown = [row for row in rows if row["seconds"] <= ended]
    scale, unit = (60.0, "minutes") if ended - began > 180 else (1.0, "seconds")
    figure, panels = pyplot.subplots(len(PANELS), 1, figsize=(8.5, 11), sharex=True, layout="constrained")
    figure.suptitle(title, fontsize=11)
    for axes, (name, label, lines) in zip(panels, PANELS, strict=True):
        for line in lines:
            _draw_line(axes, line, shown, lambda seconds: (seconds - began) / scale)
        axes.axvspan((shown[0]["seconds"] - began) / scale, 0, color="#eeeeee", linewidth=0)
        _finish(axes, name, label)
    panels[-1].set_xlabel(f"{unit} since the steady pace began; grey: measuring what the workers can do")
    figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
    pyplot.close(figure)
    return ""


def _draw_line(axes: "Axes", line: Line, rows: Sequence[Row], place: Callable[[float], float]) -> None:
    points = [(row["seconds"], row[line.column]) for row in rows if line.column in row]
    if line.is_pace:
        points = _paces(points)
    means = _means(points)
    axes.plot(
        [round(place(seconds), 3) for seconds, _ in means],
        [value for _, value in means],
        label=line.label,
        color=line.colour,
        # Where both are the same, the wider one shows on both sides of the other.
        linewidth=2.2 if line.column.startswith(_WORKERS[0]) else 1.0,
        linestyle="--" if line.is_dashed else "-",
    )


def _paces(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the growth a second, each over some samples: what is folded or polled comes in bursts."""
    apart = max(5, len(points) // 50)
    pairs = zip(points, points[apart:], strict=False)
    return [(later, (value - before) / (later - earlier)) for (earlier, before), (later, value) in pairs]


def _means(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return points of which each stands for a few neighbours, so that a picture of any run is small."""
    size = -(-len(points) // _POINTS)
    parts = [points[first : first + size] for first in range(0, len(points), size or 1)]
    return [(fmean(seconds for seconds, _ in part), fmean(value for _, value in part)) for part in parts]


def _finish(axes: "Axes", name: str, label: str) -> None:
    axes.set_title(name, loc="left", fontsize=10)
    axes.set_ylabel(label)
    axes.set_ylim(bottom=0)
    axes.margins(x=0.01)
    axes.grid(color="#dddddd", linewidth=0.5)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=8)
