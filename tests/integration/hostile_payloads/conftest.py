"""What the tests of this folder share: the payloads, generated once."""

import pytest

from tests.integration.hostile_payloads.strategies import generate


@pytest.fixture(scope="session")
def hostile() -> list[bytes]:
    """The payloads, no two alike."""
    return generate()
