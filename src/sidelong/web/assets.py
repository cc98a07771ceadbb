"""Style sheets and scripts, held in memory: what is asked for is looked up in a table and never in a directory."""

import hashlib
from importlib.resources import files
from typing import Final

_TYPES: Final = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}

ASSETS: Final = {
    each.name: (each.read_bytes(), _TYPES[each.name.rpartition(".")[2]])
    for each in files("sidelong.web").joinpath("static").iterdir()
    if each.name.rpartition(".")[2] in _TYPES
}
"""By name, content and type."""

DIGEST: Final = hashlib.sha256(b"".join(ASSETS[name][0] for name in sorted(ASSETS))).hexdigest()[:12]
"""Stands in the address of each, so that browsers may keep them."""
