"""The page of results: `python -m benchmarks.page FILE.json [FILE.json ...]`.

Reads what `python -m benchmarks --json FILE` has written, and writes `docs/benchmarks.md` and its pictures. Of two
files with the same case, the later one counts. What stands on the page between the two marks is written by hand, and
stays.
"""

import argparse
import json
import re
import statistics
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import charts
from benchmarks.charts import ranked
from benchmarks.contestants import CHECKOUT, FIRST, UVLOOP
from benchmarks.report import LIBRARIES, called, ratio_of_cases, ratios_to, read, reference, rounded
from benchmarks.rounds import Result
from benchmarks.targets import TARGETS, Results, Target, reach_all
from benchmarks.workloads import WORKLOADS

BEGIN, END = "<!-- by hand: begin -->", "<!-- by hand: end -->"
_BY_HAND = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
_PATH = re.compile(r"(?:file://|(?<![\w./]))/(?:[^\s/:'\"]+/)*(?=[^\s/])")
"""All but the last part of an absolute path."""
_SPELLED = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


class MarksError(Exception):
    """The page has only one of the marks of what is written by hand, which would be lost."""


def main(words: Sequence[str] | None = None) -> int:
    """Write the page, or print how the targets stand; the exit status is 1 if that fails or one is not reached."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.page", description="Write the page of results.")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="written by `python -m benchmarks --json`")
    parser.add_argument("--check", action="store_true", help="print the targets and write nothing; 1 if one is missed")
    parser.add_argument(
        "--docs", type=Path, default=CHECKOUT / "docs", metavar="PATH", help="where the page goes (default: docs)"
    )
    options = parser.parse_args(words)
    documents = [json.loads(path.read_text()) for path in options.files]
    results = merged(documents)
    if options.check:
        print("\n".join(_target_lines(results, TARGETS)))
        return 0 if all(reached.is_met for reached in reach_all(TARGETS, results)[0]) else 1
    if missing := charts.why_none():
        print(missing, file=sys.stderr)
    path = options.docs / "benchmarks.md"
    try:
        by_hand = _by_hand(path)
    except MarksError as error:
        print(f"{path} is left as it is: {error}", file=sys.stderr)
        return 1
    pictures = {} if missing else _draw(results, options.docs)
    path.write_text(page(documents, by_hand=by_hand, pictures=pictures))
    return 0


def merged(documents: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], Result]:
    """Return all results, of each case the latest."""
    return {(result.workload, result.case): result for document in documents for result in read(document)}


def page(
    documents: Sequence[Mapping[str, Any]],
    *,
    by_hand: str = f"{BEGIN}\n{END}",
    pictures: Mapping[str, str] | None = None,
    targets: Sequence[Target] = TARGETS,
) -> str:
    """Return the page.

    Args:
        documents: what runs of the program have written.
        by_hand: the part that is kept, with its marks.
        pictures: workload to the path of its picture, as the page links it.
        targets: what is to be reached.
    """
    results = merged(documents)
    parts = [
        "# Benchmarks",
        _how(documents, results),
        "```sh\npython -m benchmarks --peers --json figures.json\npython -m benchmarks.page figures.json\n```",
        "## Targets",
        *_targets(results, targets),
        by_hand,
    ]
    for name in _in_order(results):
        cases = [result for (workload, _), result in results.items() if workload == name]
        parts += _workload(name, cases, (pictures or {}).get(name))
    return "\n\n".join(parts) + "\n"


def _in_order(results: Results) -> list[str]:
    """Return the workloads as the program runs them; those that it does not know come last."""
    known = list(WORKLOADS)
    found = dict.fromkeys(workload for workload, _ in results)
    return sorted(found, key=lambda name: known.index(name) if name in known else len(known))


def _how(documents: Sequence[Mapping[str, Any]], results: Results) -> str:
    rounds = sorted({len(runs) for result in results.values() for runs in result.runs.values()})
    counted = " to ".join(_spelled(count) for count in dict.fromkeys((rounds[0], rounds[-1]))) if rounds else "no"
    shortened = "Some runs were shorter than they should be: they show that it works, no more. " * _has_short(results)
    machines = [document["machine"] for document in documents]
    cores = _each(_spelled(machine["cores"]) for machine in machines)
    versions = {
        "Python": _each(machine["python"] for machine in machines),
        "Redis": _each(machine["redis"] for machine in machines),
    }
    told = [document.get("versions", {}) for document in documents]
    for name in dict.fromkeys(name for each in told for name in each):
        label = name if name == UVLOOP else called(name)
        versions[label] = _each(each[name] for each in told if name in each)
    return _wrapped(
        "Measured by the program in `benchmarks/`, against a `redis-server` of its own that keeps nothing on disk. "
        "Each contestant runs in a process of its own, in turn with the others; "
        f"the figures are medians of {counted} {'round' if counted == 'one' else 'rounds'}. {shortened}"
        "A ratio is Sidelong's figure divided by that of the contestant in the same round: the median, then the least "
        "and the most; the floor on uvloop divides that of Sidelong on uvloop. The spread is the distance between the "
        "least and the most figure of a contestant, in per cent of its median. The floor is the same work with a bare "
        "client and no library. Only ratios travel to other machines. "
        f"This one has {cores} cores, which Redis shares, and runs {_each(m['system'] for m in machines)}; "
        f"its load average was {_extent([m['load'] for m in machines])} before. "
        f"Versions: {', '.join(f'{name} {version}' for name, version in versions.items())}."
    )


def _extent(figures: Sequence[float]) -> str:
    """Return a figure, or between which two the figures are."""
    least, most = rounded(min(figures)), rounded(max(figures))
    return least if least == most else f"{least} to {most}"


def _has_short(results: Results) -> bool:
    """Return whether a run of Sidelong had fewer jobs than its case has."""
    planned = {(each.name, case.name): case.jobs for each in WORKLOADS.values() for case in each.cases}
    return any(result.jobs.get(FIRST, 0) < planned.get(place, 0) for place, result in results.items() if result.runs)


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 120, break_on_hyphens=False, break_long_words=False)


def _each(values: Iterable[str]) -> str:
    return " and ".join(dict.fromkeys(values))


def _spelled(number: int) -> str:
    return _SPELLED[number] if number < len(_SPELLED) else str(number)


def _targets(results: Results, targets: Sequence[Target]) -> list[str]:
    """Return the table, a sentence for each target that is not reached, and what there are no figures for."""
    found, unknown = reach_all(targets, results)
    parts = []
    if found:
        parts.append("\n".join(_target_lines(results, targets, with_unknown=False)))
    missed = [reached for reached in found if not reached.is_met]
    if missed:
        sentences = (f"- {each.target.name}: {each.words}; {each.target.shown_bound} was aimed at." for each in missed)
        parts.append("Not reached:\n\n" + "\n".join(sentences))
    if unknown:
        parts.append(_unknown(unknown))
    return parts


def _target_lines(results: Results, targets: Sequence[Target], *, with_unknown: bool = True) -> list[str]:
    found, unknown = reach_all(targets, results)
    rows = [
        (
            each.target.name,
            each.target.aim,
            f"{each.number} ({called(each.other)})" if each.other else each.number,
            "yes" if each.is_met else "**no**",
        )
        for each in found
    ]
    lines = _table(("what", "aimed at", "measured", "reached"), rows)
    return [*lines, "", _unknown(unknown)] if unknown and with_unknown else lines


def _unknown(targets: Sequence[Target]) -> str:
    return _wrapped("No figures for: " + "; ".join(f"{target.name} ({target.aim})" for target in targets) + ".")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], right_from: int | None = None) -> list[str]:
    rules = ["---" if right_from is None or place < right_from else "--:" for place in range(len(head))]
    return [f"| {' | '.join(head)} |", f"|{'|'.join(rules)}|", *(f"| {' | '.join(row)} |" for row in rows)]


def _workload(name: str, cases: Sequence[Result], picture: str | None) -> list[str]:
    """Return the section of one workload."""
    about = WORKLOADS[name].about if name in WORKLOADS else ""
    peers = " --peers" if any(_peers(case) & set(case.jobs) for case in cases) else ""
    parts = [f"## {name.replace('-', ' ').capitalize()}"]
    command = f"`python -m benchmarks {name}{peers}`"
    parts.append(f"{about[0].upper()}{about[1:]}: {command}." if about else f"{command}.")
    measured = [case for case in cases if case.runs]
    if all(list(case.runs) == [FIRST] for case in measured):
        parts += _alone(measured) if measured else []
    else:
        for case in measured:
            parts += [f"**{case.case}** ({_job_counts(case)})", "\n".join(_case(case))]
    parts += _left_out(cases)
    if picture is not None:
        parts.append(f"![{name}: a bar for each contestant in each case]({picture})")
    return parts


def _job_counts(case: Result) -> str:
    ours = _range([case.jobs[name] for name in case.runs if name not in LIBRARIES])
    theirs = _range([case.jobs[name] for name in case.runs if name in LIBRARIES])
    if not ours or not theirs or ours == theirs:
        return f"{ours or theirs} {case.counts}"
    return f"{ours} {case.counts}; other libraries {theirs}"


def _range(counts: Sequence[int]) -> str:
    return " to ".join(f"{count:,}" for count in dict.fromkeys((min(counts), max(counts)))) if counts else ""


def _case(case: Result) -> list[str]:
    """Return the table of one case: a row for each contestant."""
    measures = list(dict.fromkeys(measure for runs in case.runs.values() for measure in runs[0]))
    rows = [
        [called(name), *_figures(case, name, measures), _spread(case, name), _ratio(case, name)]
        for name in ranked(case)
    ]
    return _table(["", *measures, "spread", "ratio"], rows, right_from=1)


def _alone(cases: Sequence[Result]) -> list[str]:
    """Return the table of a workload that Sidelong does alone, a row for each case, and what its ratios are to."""
    measures = list(dict.fromkeys(measure for case in cases for measure in case.runs[FIRST][0]))
    references = {case.case: reference(case, cases) for case in cases}
    rows = [
        [
            case.case,
            f"{case.jobs[FIRST]:,}",
            *_figures(case, FIRST, measures),
            _spread(case, FIRST),
            rounded(ratio_of_cases(case, to)) if (to := references[case.case]) else "",
        ]
        for case in cases
    ]
    named = list(dict.fromkeys(to.case for to in references.values() if to))
    head = ["", cases[0].counts, *measures, "spread", "ratio"]
    if not named:
        return ["\n".join(_table(head[:-1], [row[:-1] for row in rows], right_from=1))]
    return [f"The ratio is to {' or '.join(named)}.", "\n".join(_table(head, rows, right_from=1))]


def _figures(case: Result, name: str, measures: Sequence[str]) -> list[str]:
    medians = case.medians(name)
    return [rounded(medians[measure]) if measure in medians else "" for measure in measures]


def _spread(case: Result, name: str) -> str:
    figures = [run[case.measure] for run in case.runs[name]]
    median = statistics.median(figures)
    return f"{(max(figures) - min(figures)) / median * 100:.0f} %" if len(figures) > 1 and median else ""


def _ratio(case: Result, name: str) -> str:
    if not (ratios := ratios_to(case, name)):
        return ""
    spread = f" ({rounded(min(ratios))} to {rounded(max(ratios))})" if len(ratios) > 1 else ""
    return rounded(statistics.median(ratios)) + spread


def _left_out(cases: Sequence[Result]) -> list[str]:
    """Return who has no figures, and why; a reason that holds for all cases is given once."""
    where: dict[tuple[str, str], list[str]] = {}
    for case in cases:
        for name, reason in case.declined.items():
            where.setdefault((name, f"does not take part: {reason}"), []).append(case.case)
        for name, reason in case.failures.items():
            where.setdefault((name, f"could not be measured: {reason}"), []).append(case.case)
    lines = []
    for (name, reason), names in where.items():
        place = "" if len(names) == len(cases) else f" ({'; '.join(names)})"
        # A reason may be the last line of what a program said, which names files of this machine.
        told = _PATH.sub("", reason.replace(f"{CHECKOUT}/", "")).rstrip(".")
        lines.append(f"- {called(name)}{place} {told}.")
    return ["\n".join(lines)] if lines else []


def _peers(case: Result) -> frozenset[str]:
    """Return the other libraries, without one that takes part in this workload whether they do or not."""
    known = WORKLOADS.get(case.workload)
    return LIBRARIES - set(known.beside) if known else LIBRARIES


def _draw(results: Results, docs: Path) -> dict[str, str]:
    """Draw each workload that other libraries take part in, and return where the pictures are."""
    pictures = {}
    for name in _in_order(results):
        cases = [each for (workload, _), each in results.items() if workload == name and _peers(each) & set(each.runs)]
        if cases:
            pictures[name] = f"images/benchmarks/{name}.svg"
            charts.draw(cases, docs / pictures[name])
    return pictures


def _by_hand(path: Path) -> str:
    """Return the part of the page that is written by hand, with its marks."""
    text = path.read_text() if path.exists() else ""
    found = _BY_HAND.findall(text)
    if not len(found) == text.count(BEGIN) == text.count(END) <= 1:
        raise MarksError(f"{BEGIN} and {END} must be there once each, in this order, or not at all")
    return found[0] if found else f"{BEGIN}\n{END}"


if __name__ == "__main__":
    sys.exit(main())
