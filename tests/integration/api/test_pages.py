import json

import pytest

from sidelong.api import Queue, RetrySet


@pytest.mark.parametrize(
    ("start", "oldest_first", "numbers"),
    [
        (0, True, [0, 1, 2]),
        (0, False, [9, 8, 7]),
        (8, True, [8, 9]),
        (8, False, [1, 0]),
        (10, True, []),
        (99, False, []),
    ],
)
async def test_a_queue_and_a_set_are_read_at_a_place(start, oldest_first, numbers, app, site):
    for number in range(10):
        site.push("A", number)
        site.client.zadd("retry", {json.dumps({"class": "A", "args": [number]}): number})

    jobs = await Queue(app).page(start, 3, oldest_first=oldest_first)
    entries = await RetrySet(app).page(start, 3, earliest_first=oldest_first)

    assert [job.args[0] for job in jobs] == numbers == [entry.args[0] for entry in entries]
