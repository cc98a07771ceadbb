import threading
import time

import pytest
from benchmarks.calls import Calls, share_of_ideal

JOBS = 1_000


async def test_waits_for_the_last_call_whichever_threads_they_are_from():
    calls = Calls(JOBS)

    def note_a_quarter():
        for _ in range(JOBS // 4):
            calls.note()

    threads = [threading.Thread(target=note_a_quarter) for _ in range(4)]
    for thread in threads:
        thread.start()
    await calls.wait()
    for thread in threads:
        thread.join()

    assert calls.seconds > 0


async def test_the_clock_runs_from_the_end_of_the_warm_up_to_the_last_call(monkeypatch):
    clock = {"at": 0.0, "cpu": 0.0}
    monkeypatch.setattr(time, "perf_counter", lambda: clock["at"])
    monkeypatch.setattr(time, "process_time", lambda: clock["cpu"])
    calls = Calls(20)

    for number in range(1, 21):
        # The first two, which are a tenth, take far longer than the others.
        clock["at"] += 10.0 if number <= 2 else 0.5
        clock["cpu"] += 5.0 if number <= 2 else 0.1
        calls.note()
    await calls.wait()

    assert calls.seconds == pytest.approx(9.0)
    assert calls.per_second == pytest.approx(2.0)
    assert calls.cpu_us == pytest.approx(100_000)
    assert share_of_ideal(calls, {"slots": 2, "wait": 0.5}) == pytest.approx({"jobs/s": 2.0, "% of ideal": 50.0})
