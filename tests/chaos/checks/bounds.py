"""I8: workers stop when they are told to, and use no more than they may."""

import signal

from tests.chaos.processes_seen import Process
from tests.chaos.seen import Seen
from tests.chaos.spans import SECOND
from tests.chaos.verdict import Figure, Verdict

_FDS_MAY_GROW_BY = 60
_SETTLES_IN = 5 * SECOND
_LONG = 30 * SECOND
_SHORT_LIFE = 10 * SECOND
"""What is logged at the start is spread over this at the least."""


def check_ends(seen: Seen, verdict: Verdict) -> None:
    """See how each worker ended."""
    failed_starts = 0
    for process in seen.processes.values():
        if process.exited is None:
            _check_stopped(seen, process, verdict)
        elif process.status == 0:
            if process.stopping is None:
                verdict.violate("I8", f"{process.pid}, not told to stop, ended at {seen.at(process.exited)}")
        elif process.lives or _should_have_left(seen, process):
            asked = "told to stop" if process.stopping is not None else "not told to stop"
            text = f"{process.pid}, {asked}, exited with status {process.status} at {seen.at(process.exited)}"
            verdict.violate("I8", text)
        else:
            failed_starts += 1
    processes = seen.processes.values()
    verdict.figures |= {
        "killed": sum(process.killed is not None for process in processes),
        "frozen": sum(len(process.frozen) for process in processes),
        "cut off": sum(len(process.cut_off) for process in processes),
        "stopped": sum(process.stopping is not None and process.stopping < seen.rested_at for process in processes),
        "failed starts": failed_starts,
        "stopped within": max(map(_stop_seconds, processes), default=0.0),
        "cuts": seen.cuts,
    }


def check_use(seen: Seen, verdict: Verdict) -> None:
    """See what the samples say of files and logs."""
    rss = fds = 0
    fastest = 0.0
    for process in seen.processes.values():
        if not process.samples:
            continue
        first, last = process.samples[0], process.samples[-1]
        rss = max(rss, *(sample.rss for sample in process.samples))
        fds = max(fds, *(sample.fds for sample in process.samples))
        if last.fds - first.fds > _FDS_MAY_GROW_BY:
            verdict.violate("I8", f"the open files of {process.pid} grew from {first.fds} to {last.fds}")
        speed = last.log * SECOND / max(last.ns - process.born, _SHORT_LIFE)
        fastest = max(fastest, speed)
        if speed > seen.facts.log_bytes_per_second:
            verdict.violate("I8", f"{process.pid} logged {speed:,.0f} bytes a second")
    cpu, log = _use_without_redis(seen)
    figures: dict[str, Figure] = {"most rss (kB)": rss, "most fds": fds, "most log bytes per second": round(fastest)}
    figures |= {"cpu share while redis is away": cpu, "log bytes per second while redis is away": log}
    verdict.figures |= figures


def _stop_seconds(process: Process) -> float:
    """Return how long it took from SIGTERM to the end; 0 if it was not told, or was killed."""
    if process.stopping is None or process.exited is None:
        return 0.0
    return round((process.exited - process.stopping) / SECOND, 3)


def _use_without_redis(seen: Seen) -> tuple[Figure, Figure]:
    """Return the most that a worker used and logged while Redis was away for long; a dash if it never was."""
    shares, speeds = [], []
    for span in seen.redis.away:
        # What happens as it goes is left out.
        begins, ends = span.begins + _SETTLES_IN, min(span.ends, seen.ended)
        for process in seen.processes.values():
            within = [sample for sample in process.samples if begins <= sample.ns <= ends]
            if ends - begins < _LONG or len(within) < 2:
                continue
            seconds = (within[-1].ns - within[0].ns) / SECOND
            shares.append((within[-1].cpu - within[0].cpu) / seconds)
            speeds.append((within[-1].log - within[0].log) / seconds)
    if not shares:
        return "-", "-"
    return round(max(shares), 4), round(max(speeds), 1)


def _check_stopped(seen: Seen, process: Process, verdict: Verdict) -> None:
    if process.stopping is None:
        return
    if process.killed is None:
        verdict.violate("I8", f"{process.pid}, told to stop at {seen.at(process.stopping)}, never ended")
    elif process.killed > seen.rested_at:
        verdict.violate("I8", f"{process.pid}, told to stop at {seen.at(process.stopping)}, had to be killed")


def _should_have_left(seen: Seen, process: Process) -> bool:
    """Tell whether a process that never served was told to stop and should have done so in order."""
    if process.stopping is None or process.exited is None or process.status == -signal.SIGTERM:
        # Before the handlers are there, the signal itself ends it.
        return False
    return not seen.redis.was_away(process.born, process.exited)
