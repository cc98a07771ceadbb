import pytest

from tests.support.api_client import ApiClient


@pytest.fixture
async def api(pages):
    """Asks the JSON API, and holds every answer against its description."""
    return await ApiClient(pages).load()
