import pytest

from sidelong.core.logs.fields import Fields, Seconds


class Unprintable:
    def __str__(self):
        raise RuntimeError("no")


ENDLESS = []
ENDLESS.append(ENDLESS)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("shop.Charge", "shop.Charge"),
        ("Ruby::Job", "Ruby::Job"),
        ("é", "é"),
        (7, "7"),
        (None, "None"),
        (0.25, "0.25"),
        (Seconds(2), "2.000"),
        (Seconds(0.0126), "0.013"),
        (["a", "b"], "a,b"),
        ("", '""'),
        ("two words", '"two words"'),
        ("jid=other", '"jid=other"'),
        ('say "no" \\', '"say \\"no\\" \\\\"'),
        ("a\nb\x1b[31m", "a\\nb\\x1b[31m"),
        (["a b", "c"], '"a b",c'),
        ([[1, 2], ENDLESS], '"[1, 2]",[[...]]'),
        ((Unprintable(),), '"<tuple raises RuntimeError>"'),
        (list(range(1000)), "0,1,2,3,4,5,6,7,8,9"),
        ("x" * 300, "x" * 200 + "..."),
        (Unprintable(), '"<Unprintable raises RuntimeError>"'),
    ],
)
def test_a_value_is_one_word_whatever_it_holds(value, text):
    assert str(Fields(key=value)) == f"key={text}"


def test_a_key_is_one_word_as_well():
    assert str(Fields({"a b\n": 1, "c": 2})) == '"a b\\\\n"=1 c=2'
