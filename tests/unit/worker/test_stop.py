import asyncio

from sidelong.worker.stop import StopFlag


async def test_is_set_once_and_for_all():
    flag = StopFlag()
    before = flag.is_set

    flag.set()
    flag.set()
    await flag.wait()

    assert (before, flag.is_set) == (False, True)


async def test_a_sleep_ends_when_the_end_is_asked_for():
    flag = StopFlag()
    sleeping = asyncio.create_task(flag.sleep(1000))
    await asyncio.sleep(0)

    flag.set()

    await asyncio.wait_for(sleeping, 5)


async def test_a_sleep_after_the_end_gives_way_and_returns():
    flag = StopFlag()
    flag.set()
    turned = []
    asyncio.get_running_loop().call_soon(turned.append, True)

    await flag.sleep(1000)

    assert turned == [True]


async def test_a_sleep_of_no_length_gives_way():
    turned = []
    asyncio.get_running_loop().call_soon(turned.append, True)

    await StopFlag().sleep(-1)

    assert turned == [True]


async def test_a_sleep_passes():
    flag = StopFlag()

    await flag.sleep(0.001)

    assert not flag.is_set


async def test_a_cancelled_sleep_is_cancelled():
    sleeping = asyncio.create_task(StopFlag().sleep(1000))
    await asyncio.sleep(0)

    sleeping.cancel()
    await asyncio.wait({sleeping})

    assert sleeping.cancelled()
