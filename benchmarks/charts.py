"""One picture for each workload that other libraries take part in: a bar for each contestant, a panel for each case."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.contestants import FIRST, UVLOOP
from benchmarks.report import LIBRARIES, called, more_is_better, rounded
from benchmarks.rounds import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INK = "#333333"
# Told apart by lightness as well as by colour.
_COLOURS = {FIRST: "#c05a00", UVLOOP: "#e6a867"}
_LIBRARY, _OTHER = "#8cb8e8", "#8a8a8a"
_CUT_AT = 20.0
"""Of times, bars end at so many times Sidelong's: one library that polls must not hide what all others do."""
_INCHES_OF_A_BAR = 0.2
_INCHES_AROUND = 0.7


def why_none() -> str:
    """Return why nothing can be drawn; empty if it can."""
    return "" if find_spec("matplotlib") else "no chart is drawn: matplotlib is not installed (the extra `plots`)"


def draw(results: Sequence[Result], path: Path) -> None:
    """Write the picture of one workload.

    Args:
        results: its cases.
        path: of the SVG.
    """
    import matplotlib

    matplotlib.use("svg")
    # The same figures give the same bytes, and text stays text, each piece of which names all fonts of the list.
    matplotlib.rcParams.update({"svg.hashsalt": "sidelong", "svg.fonttype": "none", "font.size": 9})
    matplotlib.rcParams["font.sans-serif"] = ["DejaVu Sans", "Verdana", "Arial"]
    from matplotlib import pyplot

    heights = [len(result.runs) * _INCHES_OF_A_BAR + _INCHES_AROUND for result in results]
    figure, panels = pyplot.subplots(
        len(results),
        1,
        figsize=(8.0, sum(heights)),
        height_ratios=heights,
        squeeze=False,
        layout="constrained",
        facecolor="white",
    )
    for axes, result in zip(panels[:, 0], results, strict=True):
        _draw_case(axes, result)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
    pyplot.close(figure)
    # Lines of its writer end in blanks, which no file of a repository should.
    path.write_text("\n".join(line.rstrip() for line in path.read_text().splitlines()) + "\n")


def ranked(result: Result) -> list[str]:
    """Return the contestants of a case: Sidelong and what it is held against, then the libraries, best first."""
    own = sorted((name for name in result.runs if name not in LIBRARIES), key=lambda name: name != FIRST)
    others = [name for name in result.runs if name in LIBRARIES]
    others.sort(key=lambda name: _figure(result, name), reverse=more_is_better(result.measure))
    return own + others


def _figure(result: Result, contestant: str) -> float:
    return result.medians(contestant)[result.measure]


def _draw_case(axes: "Axes", result: Result) -> None:
    # The first bar is to be on top.
    names = ranked(result)[::-1]
    figures = [_figure(result, name) for name in names]
    most = max(figures)
    if not more_is_better(result.measure) and FIRST in names:
        most = min(most, _CUT_AT * _figure(result, FIRST))
    shown = [min(figure, most) for figure in figures]
    colours = [_COLOURS.get(name, _LIBRARY if name in LIBRARIES else _OTHER) for name in names]
    axes.barh(range(len(names)), shown, color=colours, height=0.75)
    axes.set_yticks(range(len(names)), [called(name) for name in names], color=_INK)
    for place, figure in enumerate(figures):
        words = rounded(figure) + (" (bar cut)" if figure > most else "")
        axes.annotate(words, (shown[place], place), (4, 0), textcoords="offset points", va="center", color=_INK)
    better = "more" if more_is_better(result.measure) else "less"
    axes.set_title(f"{result.case}: {result.measure}, {better} is better", loc="left", fontsize=10, color=_INK)
    axes.set_xlim(0, most * 1.2)
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.set_xticks([])
    axes.tick_params(left=False)
    axes.spines[["top", "right", "bottom"]].set_visible(False)
