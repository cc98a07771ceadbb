import pytest

from sidelong.cli.demo.fakes import Bank, Crashed, MailServer, Throttled, Warehouse, Weather
from sidelong.cli.demo.ledger import balance

CALM = Weather(throttled=0, crashed_before=0, crashed_after=0, slowest=0)
ORDERS = {1: 500, 2: 700}


@pytest.fixture
def bank():
    return Bank(7, CALM)


@pytest.fixture
def mail_server():
    return MailServer(7, CALM)


@pytest.fixture
def warehouse():
    return Warehouse(7, CALM)


async def complete(order, cents, bank, mail_server, warehouse):
    await bank.charge(order, cents, idempotency_key=f"order-{order}")
    await mail_server.send(order, "Thank you")
    await warehouse.ship(order, idempotency_key=f"order-{order}")


async def test_the_ledger_is_right_when_every_order_was_done_once(bank, mail_server, warehouse):
    for order, cents in ORDERS.items():
        await complete(order, cents, bank, mail_server, warehouse)

    ledger = balance(ORDERS, bank, mail_server, warehouse, left_over=0)

    assert ledger.faults == ()
    assert (ledger.completed, ledger.charged_twice, ledger.mailed_twice, ledger.shipped_twice) == (2, 0, 0, 0)


async def test_repeated_calls_with_keys_do_nothing_twice_and_a_second_mail_is_counted(bank, mail_server, warehouse):
    for order, cents in ORDERS.items():
        await complete(order, cents, bank, mail_server, warehouse)
    await complete(1, 500, bank, mail_server, warehouse)

    ledger = balance(ORDERS, bank, mail_server, warehouse, left_over=0)

    assert ledger.faults == ()
    assert (ledger.charged_twice, ledger.mailed_twice, ledger.shipped_twice) == (0, 1, 0)


async def test_the_ledger_is_wrong_when_keys_are_not_used_as_they_should(bank, mail_server, warehouse):
    for order, cents in ORDERS.items():
        await complete(order, cents, bank, mail_server, warehouse)
    await bank.charge(2, 700, idempotency_key="another")
    await warehouse.ship(2, idempotency_key="another")

    ledger = balance(ORDERS, bank, mail_server, warehouse, left_over=0)

    assert ledger.faults == ("order 2 charged more than once", "order 2 shipped more than once")
    assert (ledger.charged_twice, ledger.shipped_twice) == (1, 1)


async def test_the_ledger_names_what_was_not_done(bank, mail_server, warehouse):
    await bank.charge(1, 499, idempotency_key="order-1")

    ledger = balance(ORDERS, bank, mail_server, warehouse, left_over=3)

    assert ledger.completed == 0
    assert ledger.faults == (
        "order 1 charged a wrong sum",
        "order 2 never charged",
        "2 orders (1, 2) never confirmed by mail",
        "2 orders (1, 2) never shipped",
        "3 jobs left in Redis",
    )


async def outcomes(seed):
    bank = Bank(seed, Weather(slowest=0))
    told = []
    for order in range(200):
        try:
            told.append(await bank.charge(order, 100, idempotency_key=f"order-{order}"))
        except (Throttled, Crashed) as error:
            told.append(str(error))
    return told


async def test_the_same_seed_gives_the_same_failures_and_another_seed_others():
    assert await outcomes(7) == await outcomes(7)
    assert await outcomes(7) != await outcomes(8)


async def test_a_mail_server_that_crashes_after_sending_has_sent():
    mail_server = MailServer(7, Weather(throttled=0, crashed_before=0, crashed_after=1, slowest=0))

    with pytest.raises(Crashed):
        await mail_server.send(1, "Thank you")

    assert mail_server.sent == [1]


async def test_a_throttled_bank_has_taken_nothing():
    bank = Bank(7, Weather(throttled=1, slowest=0))

    with pytest.raises(Throttled):
        await bank.charge(1, 500, idempotency_key="order-1")

    assert bank.charges == []
