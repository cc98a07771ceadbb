import random

from sidelong.api.bulk import Met


def test_remembers_every_jid_however_many_there_are():
    met = Met()
    draw = random.Random(1)
    many = [f"{draw.getrandbits(96):024x}" for _ in range(20_000)]

    assert all(met.add(jid) for jid in many)
    assert not any(met.add(jid) for jid in many)
    assert met.add("another")
    assert len(met) == 20_001
