import re
import signal

import pytest

from sidelong import Sidelong
from tests.support.eventually import eventually_sync
from tests.support.redis_server import RedisServer
from tests.support.server_required import require_server
from tests.support.shop import POOR_CARD, SERVICES, Shop


@pytest.fixture(scope="module")
def open_shop(tmp_path_factory):
    require_server()
    with RedisServer() as server, Shop(server, tmp_path_factory.mktemp("shop")) as shop:
        yield shop


@pytest.fixture
def shop(open_shop):
    open_shop.forget()
    return open_shop


def assert_done_once(shop, orders):
    assert shop.charged() == shop.mailed() == shop.fulfilled() == sorted(orders)


def assert_nothing_caught(shop):
    assert shop.books("errors") == {"notices": [], "alerts": []}


def test_an_order_from_a_form_goes_from_pending_to_complete(shop):
    shop.switch("payments", "throttle")

    answer = shop.post(as_form=True, email="grace@example.org", quantity=3)
    page = answer.headers["location"].lstrip("/")

    assert answer.status_code == 303
    assert re.search(r'class="state \w+">pending<', shop.page(page))
    shop.switch("payments", "ok")
    eventually_sync(lambda: re.search(r'class="state \w+">complete<', shop.page(page)), 15)
    assert_done_once(shop, [int(page.rpartition("/")[2])])
    assert shop.books("payments")["charges"][0]["cents"] == 3 * 450
    assert shop.books("email")["messages"][0]["to"] == "grace@example.org"
    assert re.fullmatch(r"idempotency_key-order-\d+", shop.books("fulfilment")["jobs"][0]["key"])
    assert_nothing_caught(shop)


def test_a_declined_order_says_why_and_starts_no_other_job(shop):
    before = shop.processed()

    order = shop.order(card=POOR_CARD, item="Teapot")
    shop.wait_until("declined", [order])

    assert "Payment Declined: Insufficient funds" in shop.page(f"orders/{order}")
    eventually_sync(lambda: shop.unfinished() == 0)
    # One job ran for it, so neither a mail nor a parcel was ever enqueued.
    assert shop.processed() == before + 1
    assert shop.charged() == shop.mailed() == shop.fulfilled() == []
    assert "Teapot (1,000 left)" in shop.page()
    assert_nothing_caught(shop)


def test_what_is_not_in_stock_cannot_be_bought(shop):
    # The last one is taken by an order that is declined, and goes back.
    shop.wait_until("declined", [shop.order(item="The last teacup", card=POOR_CARD)])
    first = shop.order(item="The last teacup")

    second = shop.post(item="The last teacup")

    assert (second.status_code, second.json()) == (
        409,
        {"error": "Sorry, there is not enough left of: The last teacup."},
    )
    shop.wait_until("complete", [first])
    assert_done_once(shop, [first])


def test_an_order_sent_twice_is_one_order(shop):
    orders = {shop.order(key="the same form") for _ in range(3)}

    shop.wait_until("complete", orders)

    assert len(orders) == 1
    assert_done_once(shop, orders)


@pytest.mark.parametrize(
    "fields",
    [
        {"email": "nobody"},
        {"email": "ada\ud800@example.org"},
        {"quantity": 0},
        {"quantity": "many"},
        {"parcels": None},
        {"item": None},
    ],
)
def test_an_order_that_cannot_be_is_refused_with_a_sentence(shop, fields):
    answer = shop.post(**fields)

    assert answer.status_code in (409, 422)
    assert answer.json()["error"].endswith(".")


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        (f"orders/{2**64}", "There is no such order."),
        ("orders/" + "9" * 5000, "There is no such order."),
        ("progress?after=x", "Please give the number of an order as after."),
        (f"progress?after={2**64}", "Please give the number of an order as after."),
    ],
)
def test_a_number_that_no_order_can_have_is_refused_with_a_sentence(shop, path, sentence):
    assert sentence in shop.page(path)


def test_the_page_of_an_order_without_progress_loads_itself_ever_more_rarely(shop):
    shop.switch("payments", "throttle")
    order = shop.order()

    young = shop.page(f"orders/{order}")
    shop.grow_old(order, 3600)
    old = shop.page(f"orders/{order}")

    assert 'http-equiv="refresh" content="1"' in young
    assert 'http-equiv="refresh" content="60"' in old
    shop.switch("payments", "ok")
    shop.wait_until("complete", [order])


@pytest.mark.parametrize("service", SERVICES)
def test_an_outage_of_a_service_costs_no_order_and_is_no_news(shop, service):
    orders = []

    for mode in ("crash", "throttle", "slow"):
        shop.switch(service, mode)
        orders += [shop.order(email=f"{number % 3}@example.org") for number in range(8)]
        eventually_sync(lambda mode=mode: shop.books(service)["calls"].get(mode, 0) >= 8, 20)
    assert 'class="state warn">slow<' in shop.page()
    shop.switch(service, "ok")
    shop.wait_until("complete", orders)

    assert_done_once(shop, orders)
    assert_nothing_caught(shop)


async def test_every_step_may_be_started_many_times_at_once(shop):
    shop.switch("payments", "throttle")
    order = shop.order()

    async with Sidelong(shop.redis.url) as app:
        for name, queue, args in [
            ("CompleteOrder", "shop-orders", ()),
            ("write_invoice", "shop-invoices", ()),
            ("SendReceipt", "shop-mail", (1,)),
            ("ShipOrder", "shop-parcels", ()),
        ]:
            payloads = [(order, *args)] * 15
            await app.client.push_bulk({"class": f"shop.jobs.{name}", "queue": queue, "args": payloads})
    shop.switch("payments", "ok")
    shop.wait_until("complete", [order])
    eventually_sync(lambda: shop.unfinished() == 0, 15)

    assert_done_once(shop, [order])
    assert_nothing_caught(shop)


def test_a_bug_is_caught_at_each_attempt_and_calls_a_person_once(shop):
    bad, good = shop.order(parcels=0), shop.order(parcels=2)

    shop.wait_until("complete", [good])
    eventually_sync(lambda: shop.books("errors")["alerts"] and len(shop.mailed()) == 2, 15)

    caught = shop.books("errors")
    assert [(notice["error"], notice["order"]) for notice in caught["notices"]] == [("ZeroDivisionError", bad)] * 3
    assert [(alert["job"], alert["order"]) for alert in caught["alerts"]] == [("shop.jobs.ShipOrder", bad)]
    assert "ZeroDivisionError" in shop.service_page("errors")
    assert shop.charged() == shop.mailed() == [bad, good]
    assert shop.fulfilled() == [good]
    assert "Delayed: we are looking into it" in shop.page(f"orders/{bad}")


async def test_a_job_whose_order_is_gone_is_dropped_and_calls_nobody(shop):
    before = shop.processed()

    async with Sidelong(shop.redis.url) as app:
        await app.enqueue("shop.jobs.ShipOrder", 1_000_000, queue="shop-parcels")
    eventually_sync(lambda: shop.processed() == before + 1, 15)

    assert shop.unfinished() == 0
    assert_nothing_caught(shop)


def test_an_order_taken_while_redis_is_down_is_swept_up(shop):
    shop.redis.stop(save=True)

    order = shop.order()
    status, complaint = shop.run("check")
    shop.redis.start()
    shop.wait_until("complete", [order])

    assert (status, complaint[:24]) == (1, "Redis does not answer: E")
    assert_done_once(shop, [order])
    assert_nothing_caught(shop)


def test_the_process_check_tells_missing_workers_and_old_jobs(shop):
    healthy = shop.run("check")

    shop.send("worker", signal.SIGSTOP)
    # The first one is on its way to the worker; the second has to wait.
    orders = [shop.order(), shop.order()]
    late = shop.run("check", "0.01")
    shop.send("worker", signal.SIGCONT)
    shop.wait_until("complete", orders)
    shop.send("worker", signal.SIGTERM)
    missing = shop.run("check")
    shop.start("worker")

    assert healthy == (0, "All queues are served.\n")
    assert late[0] == 1
    assert late[1].startswith("The oldest job of the queue shop-orders has waited for ")
    assert missing == (1, "No living worker serves the queue shop-orders.\n")


def test_a_reset_clears_what_is_the_shops_and_nothing_else(shop):
    with shop.redis.client() as client:
        client.zadd("dead", {b'{"class":"Other","args":[],"jid":"0"}': 1})
        client.lpush("queue:other", b"{}")
    shop.switch("fulfilment", "crash")
    orders = [shop.order() for _ in range(3)]
    eventually_sync(lambda: len(shop.mailed()) == 3, 15)

    # A request of a running job would reach the services after they were reset.
    shop.send("worker", signal.SIGTERM)
    status, _ = shop.run("reset")

    assert status == 0
    assert [shop.show(order) for order in orders] == [{}, {}, {}]
    assert shop.charged() == shop.mailed() == shop.fulfilled() == []
    assert "Tea (100,000 left)" in shop.page()
    with shop.redis.client() as client:
        assert client.llen("queue:other") == client.zcard("dead") == 1
        client.delete("queue:other")
    assert shop.unfinished() == 0
    shop.start("worker")


@pytest.mark.slow
def test_a_thousand_orders_are_done_once_although_a_worker_is_killed_among_them(shop):
    load = shop.begin("load", "--orders", "1000")
    eventually_sync(lambda: len(shop.mailed()) > 150, 60)

    shop.send("worker", signal.SIGKILL)
    shop.start("worker")
    output, _ = load.communicate(timeout=110)

    assert load.returncode == 0, output
    assert "1,000 orders placed" in output
    assert "The books are right." in output
    assert len(shop.charged()) == len(shop.mailed()) == len(shop.fulfilled()) == 1000
    assert_nothing_caught(shop)
