"""What the web process leaves to jobs."""

import time

import pytest
from starlette.testclient import TestClient

from shop import orders, settings
from shop.handover import sweep
from shop.jobs import CompleteOrder
from shop.tests.conftest import DRAFT
from shop.web import api
from sidelong.testing import Jobs

ORDER = {"item": "Tea", "email": "ada@example.org", "card": "4242 4242 4242 4242", "key": "form-1"}


def test_an_order_is_taken_and_its_job_enqueued(sidelong_fake: Jobs) -> None:
    with TestClient(api) as client:
        answer = client.post("/orders", json=ORDER)

    order_id = answer.json()["id"]
    assert answer.status_code == 202
    assert orders.find(order_id).state == "pending"
    job = sidelong_fake.assert_enqueued(CompleteOrder, [order_id], queue="shop-orders", at=None)
    assert job.tags == ["order"]


def test_what_is_not_in_stock_enqueues_nothing(sidelong_fake: Jobs) -> None:
    with TestClient(api) as client:
        answer = client.post("/orders", json={**ORDER, "item": "The last teacup", "quantity": 2})

    assert answer.status_code == 409
    assert not sidelong_fake


@pytest.mark.anyio
async def test_an_order_whose_web_process_died_is_swept_up_once(
    sidelong_fake: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = orders.place(DRAFT)
    monkeypatch.setattr(settings, "OVERDUE", -1)

    await sweep()
    await sweep()

    assert [job.args for job in sidelong_fake.of(CompleteOrder)] == [[order_id]]
    assert orders.without_job(older_than=time.time()) == []
