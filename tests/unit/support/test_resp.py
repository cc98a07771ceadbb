import pytest

from tests.support.resp import Splitter, words

MESSAGES = [
    b"+OK\r\n",
    b"-ERR no\r\n",
    b":12\r\n",
    b"$5\r\na\r\nbc\r\n",
    b"$0\r\n\r\n",
    b"$-1\r\n",
    b"*-1\r\n",
    b"*0\r\n",
    b"*2\r\n*1\r\n$1\r\nx\r\n:1\r\n",
    b"%1\r\n+key\r\n*2\r\n:1\r\n:2\r\n",
    b"~1\r\n,1.5\r\n",
    b"|1\r\n+ttl\r\n:10\r\n$1\r\nx\r\n",
    b">2\r\n+message\r\n$2\r\nhi\r\n",
    b"_\r\n",
    b"#t\r\n",
]


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_parts_messages_however_they_arrive(size: int) -> None:
    stream = b"".join(MESSAGES)
    splitter = Splitter()

    found = [
        message for begin in range(0, len(stream), size) for message in splitter.feed(stream[begin : begin + size])
    ]

    assert found == MESSAGES


def test_gives_the_words_of_a_request() -> None:
    assert words(b"*3\r\n$3\r\nSET\r\n$5\r\na\r\nbc\r\n$0\r\n\r\n") == b"SET a\r\nbc "
    assert words(b"PING\r\n") == b"PING"
