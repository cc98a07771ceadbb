"""What workers hold, read while it changes; on the embedded store and on a real server."""

from sidelong import Sidelong
from sidelong.api.inflight import held_jobs
from tests.integration.worker.site import Site, payload

OWNER = "web-1:11:0123456789ab"


async def test_what_stays_is_read_although_others_leave(site: Site, app: Sidelong) -> None:
    raws = [payload("Note", number, jid=f"{number:024x}") for number in range(250)]
    held = f"sidelong:inflight:{OWNER}:default"
    site.client.sadd("sidelong:owners", OWNER)
    site.client.sadd(f"sidelong:owner-queues:{OWNER}", "default")
    site.client.rpush(held, *raws)
    found = []

    async for job in held_jobs(app):
        found.append(job.record.value)
        if len(found) == 1:
            site.client.ltrim(held, 90, -1)

    assert set(found) >= set(raws[90:])
    site.client.delete(held)
