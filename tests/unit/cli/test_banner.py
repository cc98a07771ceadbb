from sidelong import Capsule, Sidelong
from sidelong.cli.banner import log_banner
from sidelong.cli.event_loop import choose_event_loop


def banner_of(app, caplog, **settings):
    with caplog.at_level("INFO", "sidelong.cli"):
        log_banner(app, app.worker(**settings), "shop:app", choose_event_loop("asyncio", "code"))
    return caplog.messages


def test_numbers_and_their_nouns_agree(caplog):
    app = Sidelong("redis://nowhere")

    @app.job
    async def hello(): ...

    lines = banner_of(app, caplog, concurrency=1)

    assert "App shop:app with 1 job, Redis redis://nowhere:6379/0" in lines
    assert "Serving 1 job at once from queue default" in lines


def test_names_the_event_loop(caplog):
    first, *_ = banner_of(Sidelong("redis://nowhere"), caplog)

    assert " with asyncio, pid " in first


def test_says_in_which_order_queues_are_served(caplog):
    app = Sidelong("redis://nowhere")
    capsules = [Capsule(name="slow", concurrency=2, queues=["pdf,2", "csv"])]

    lines = banner_of(app, caplog, queues=["a", "b"], capsules=capsules)

    assert "Serving 10 jobs at once from queues a, b (in this order)" in lines
    assert "Serving 2 jobs at once in capsule slow from queues pdf (weight 2), csv (weight 1)" in lines
    assert any(line.startswith("The app has no jobs") for line in lines)


def test_warns_of_queues_that_nobody_here_serves(caplog):
    app = Sidelong("redis://nowhere")

    @app.job(queue="mailers")
    async def hello(): ...

    lines = banner_of(app, caplog, queues=["default"])

    assert "Not served here, though jobs of the app go there: mailers" in lines
