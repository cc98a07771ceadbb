import os
import re
import socket

from sidelong.core.identity import new_identity, new_jid


def test_names_host_process_and_nonce():
    host, pid, nonce = new_identity().rsplit(":", 2)

    assert host == socket.gethostname()
    assert int(pid) == os.getpid()
    assert re.fullmatch(r"[0-9a-f]{12}", nonce)


def test_takes_the_host_it_is_given():
    assert new_identity("web.1").startswith(f"web.1:{os.getpid()}:")


def test_takes_the_name_of_the_machine_where_the_host_given_is_empty():
    assert new_identity("").startswith(f"{socket.gethostname()}:")


def test_gives_two_workers_of_one_process_two_names():
    assert new_identity("h") != new_identity("h")


def test_makes_jids_of_24_lower_case_hex_characters():
    assert re.fullmatch(r"[0-9a-f]{24}", new_jid())


def test_never_repeats_a_jid():
    jids = [new_jid() for _ in range(100_000)]

    assert len(set(jids)) == len(jids)
