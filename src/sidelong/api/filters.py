"""Which jobs are meant: by class, queue, tag, error or any text in them."""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from sidelong.api.display import NO_CLASS
from sidelong.api.records import JobRecord

NO_ERROR: Final = "(no error)"
"""As `error_class`: those that have none."""

# What stands between a class and its method.
_JOINT: Final = re.compile(r"[#.]")
# One escape, or the two of a character beyond the basic plane.
_ESCAPE: Final = re.compile(r"\\u(?:d[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}|[0-9a-f]{4})", re.IGNORECASE)


@dataclass(frozen=True)
class Filter:
    """Conditions that must all hold; one that is None always does.

    Attributes:
        job_class: the class, as the worker looks it up or as it is shown.
        queue: the queue it is in, or goes to.
        tag: one of its tags.
        error_class: the class of its last error; `NO_ERROR` for none.
        display_class: the class as it is shown, and no other.
        text: stands somewhere in the stored JSON; capitals and small letters are alike, and it does not matter
            whether the job's writer has escaped what is not ASCII.
    """

    job_class: str | None = None
    queue: str | None = None
    tag: str | None = None
    error_class: str | None = None
    text: str | None = None
    display_class: str | None = None

    def matches(self, record: JobRecord) -> bool:
        """Tell whether a job meets all conditions."""
        return (
            self._may_match(record.value)
            and (self.text is None or self._is_in(record.value))
            and (self.queue is None or record.queue == self.queue)
            and (self.job_class is None or self.job_class == record.job_class or self.job_class == record.display_class)
            and (self.tag is None or self.tag in record.tags)
            and (self.display_class is None or record.display_class == self.display_class)
            and (self.error_class is None or (record.error_class or NO_ERROR) == self.error_class)
        )

    def _may_match(self, raw: bytes) -> bool:
        """Tell whether it is worth while to read a job: that takes four times as long as this."""
        # Behind an escape anything may hide.
        return b"\\" in raw or all(text in raw for text in self._literal)

    @cached_property
    def _literal(self) -> tuple[bytes, ...]:
        """What must stand in the JSON of a job that matches, if nothing in it is escaped."""
        texts = [self.tag] if self.tag is not None else []
        if self.error_class is not None and self.error_class != NO_ERROR:
            texts.append(self.error_class)
        for name in (self.job_class, self.display_class):
            if name is not None and name != NO_CLASS:
                # Class and method may be shown as one, where an adapter wraps them.
                texts.append(max(_JOINT.split(name), key=len))
        return tuple(text.encode("utf-8", "replace") for text in texts)

    def _is_in(self, raw: bytes) -> bool:
        written = raw.decode("utf-8", "replace")
        return self._folded in written.casefold() or (
            "\\u" in written and self._folded in _ESCAPE.sub(_unescaped, written).casefold()
        )

    @cached_property
    def _folded(self) -> str:
        return (self.text or "").casefold()


def _unescaped(escape: re.Match[str]) -> str:
    units = bytes.fromhex(escape[0].lower().replace("\\u", ""))
    return units.decode("utf-16-be", "replace")
