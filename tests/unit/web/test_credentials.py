import base64
import hmac

import pytest
from starlette.requests import Request

from sidelong import ConfigurationError
from sidelong.web import BasicAuth


def request(header):
    return Request({"type": "http", "headers": [(b"authorization", header)]})


def basic(pair):
    return b"Basic " + base64.b64encode(pair)


@pytest.mark.parametrize("header", [b"", b"Basic !", basic(b"ada:wrong"), basic(b"eve:secret"), basic(b"x" * 6000)])
def test_whatever_is_wrong_both_parts_are_compared_in_full_and_as_equally_long(header, monkeypatch):
    auth = BasicAuth("ada", "secret")
    compared = []
    compare = hmac.compare_digest
    monkeypatch.setattr(
        hmac, "compare_digest", lambda one, two: compared.append((len(one), len(two))) or compare(one, two)
    )

    assert auth(request(header)) is None
    assert compared == [(32, 32), (32, 32)]


def test_the_right_pair_is_let_in():
    assert BasicAuth("ada", "sec:ret")(request(basic(b"ada:sec:ret"))) == "ada"


@pytest.mark.parametrize(("username", "password"), [("", "x"), ("x", ""), ("a:b", "x")])
def test_credentials_that_cannot_work_are_refused(username, password):
    with pytest.raises(ConfigurationError):
        BasicAuth(username, password)
