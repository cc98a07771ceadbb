"""How addresses and forms name a job of a list: by its id, or, of what has none, by a digest of its bytes.

An entry of a set has its score before that, as on Sidekiq's pages.
"""

import hashlib
import math
from typing import Final

from sidelong.api.entries import Entry, score_text
from sidelong.api.records import JobRecord

_MARK: Final = "!"
_LONGEST: Final = 100


def row_key(record: JobRecord) -> str:
    """Return what names a job within its list."""
    jid = record.jid
    if not jid or len(jid) > _LONGEST or jid.startswith(_MARK):
        jid = _MARK + digest(record)
    return f"{score_text(record.score)}-{jid}" if isinstance(record, Entry) else jid


def digest(record: JobRecord) -> str:
    """Return what tells the bytes of a job from all others."""
    return hashlib.sha256(record.value).hexdigest()[:32]


def read_score(key: str) -> float | None:
    """Return the score in the name of an entry, None if there is none that a set can have."""
    text = key.rpartition("-!")[0] if "-!" in key else _score_part(key)
    try:
        score = float(text.replace("Infinity", "inf")) if len(text) < 40 else None
    except ValueError:
        return None
    return None if score is None or math.isnan(score) else score


def _score_part(key: str) -> str:
    # The first hyphen that is neither a sign nor that of an exponent.
    place = next(
        (place for place, sign in enumerate(key) if sign == "-" and place > 0 and key[place - 1] not in "eE"), len(key)
    )
    return key[:place]
