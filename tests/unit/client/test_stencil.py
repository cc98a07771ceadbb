import pytest

from sidelong.client.stencil import Stencil
from sidelong.core.serialization import dump_arguments, dumps

OPTIONS = {"retry": True, "queue": "mail", "tags": ["a", "null}"], "every": 1e20, "note": None}


@pytest.mark.parametrize("args", [[], [1, "ü", None], [{"a": [1e-7, 2.5]}, [[]]], ["%s", '"', "args"], [2**60]])
@pytest.mark.parametrize("now", [1795217185.123456, 1795217185.0])
def test_writes_what_the_whole_payload_would_be(args, now):
    written, _ = dump_arguments(args)

    push, other = Stencil(OPTIONS, 'A"ö::B').pushes([written, written], now)

    payload = {**OPTIONS, "args": args, "class": 'A"ö::B', "jid": push.jid, "created_at": now, "enqueued_at": now}
    assert push.raw == dumps(payload)
    assert (push.queue, push.at) == ("mail", None)
    assert other.jid != push.jid
