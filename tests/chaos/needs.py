"""What a site must have so that a fault can be done there."""

from typing import Literal

Need = Literal["proxies", "sentinels", "appendonly"]

PROXIES: frozenset[Need] = frozenset({"proxies"})
SENTINELS: frozenset[Need] = frozenset({"sentinels"})
APPENDONLY: frozenset[Need] = frozenset({"appendonly"})
