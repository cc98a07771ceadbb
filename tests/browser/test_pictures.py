import re
import struct

import pytest

from tests.browser.pictures import DIRECTORY, PICTURES, take
from tests.docs.pages import CHECKOUT, PAGES

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.allow_any_keys]

LARGEST = 200 * 1024


def size_of(path):
    """Return width and height of a PNG file."""
    head = path.read_bytes()[:24]
    assert head.startswith(b"\x89PNG")
    return struct.unpack(">II", head[16:])


async def test_pictures_can_be_taken_anew(chromium, redis_server, redis_client, tmp_path):
    # The chart of the first page takes a while to fill.
    wanted = tuple(picture for picture in PICTURES if picture.path != "/")

    await take(redis_client, redis_server.url, chromium, tmp_path, wanted)

    sizes = {path.stem: size_of(path) for path in tmp_path.iterdir()}
    assert sizes == {picture.name: (picture.width, picture.height) for picture in wanted}


async def test_the_pictures_of_the_docs_are_these_small_and_all_shown():
    kept = {path.stem: path for path in DIRECTORY.iterdir()}
    text = "".join(page.read_text() for page in PAGES)

    assert kept.keys() == {picture.name for picture in PICTURES}
    for picture in PICTURES:
        path = kept[picture.name]
        assert size_of(path) == (picture.width, picture.height)
        assert path.stat().st_size < LARGEST
        assert re.search(rf"images/web/{path.name}\b", text), f"{path.name} is shown nowhere"


async def test_every_picture_that_a_page_shows_is_there():
    for page in PAGES:
        for source in re.findall(r'(?:src|srcset)="([^":]+)"', page.read_text()):
            assert (page.parent / source).exists(), f"{page.relative_to(CHECKOUT)} shows {source}"
