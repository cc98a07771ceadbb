"""The Sidelong app. The shop's web process enqueues with it, its worker process runs jobs with it."""

from shop import partners
from sidelong import Capsule, PushError, Sidelong

app = Sidelong(
    # The jobs wait for other services most of the time: many can do so at once.
    concurrency=25,
    # One at a time: the number of an invoice is the last one plus one.
    capsules=[Capsule(name="invoices", concurrency=1, queues=["shop-invoices"])],
    # An outage of a service or of Redis is no news for the error catcher, unless it outlasts all retries.
    transient=[*partners.TRANSIENT, PushError],
)
