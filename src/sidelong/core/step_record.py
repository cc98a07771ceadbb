"""What is remembered of a step that has finished: its result, or why there is none."""

from dataclasses import dataclass
from typing import Any, Final

from sidelong.core import serialization
from sidelong.core.display import shown
from sidelong.core.serialization import MAX_NESTING, TYPES_ADVICE, check_value
from sidelong.errors import ArgumentError, InvalidPayloadError

MAX_RESULT: Final = 65_536
"""Bytes of a result as JSON: what is larger belongs elsewhere, and its address here."""

_UNREADABLE: Final = "what Redis holds of it cannot be read"


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One finished step.

    Attributes:
        result: its result, as JSON gives it back.
        unfit: why its result could not be kept; empty if it could.
        unasked: the mark of the code that ran it without asking whether it had finished; empty if it asked.
    """

    result: Any = None
    unfit: str = ""
    unasked: str = ""

    @classmethod
    def of(cls, result: Any, *, unasked: str = "") -> "StepRecord":
        """Return the record of a step with this result, whatever it is."""
        result = _without_tuples(result, MAX_NESTING)
        try:
            check_value(result, root="result")
        except ArgumentError as error:
            # It may name keys, and be as long as they are.
            return cls(unfit=shown(str(error).removesuffix(TYPES_ADVICE)), unasked=unasked)
        except Exception as error:
            # A key that cannot even be shown; the work was done all the same.
            return cls(unfit=f"result cannot be described: {shown(error)}", unasked=unasked)
        size = len(serialization.dumps(result))
        if size > MAX_RESULT:
            too_large = f"result has {size:,} bytes of JSON, more than {MAX_RESULT:,}"
            return cls(unfit=f"{too_large}; store the data elsewhere and keep its key", unasked=unasked)
        return cls(result, unasked=unasked)

    @classmethod
    def read(cls, raw: bytes) -> "StepRecord":
        """Read a stored record: whatever it is, the step has finished."""
        try:
            item = serialization.loads(raw)
        except InvalidPayloadError:
            item = None
        if not isinstance(item, dict):
            return cls(unfit=_UNREADABLE)
        unfit = item.get("unfit", "" if "result" in item else _UNREADABLE)
        return cls(item.get("result"), str(unfit), str(item.get("unasked", "")))

    def write(self) -> bytes:
        """Return the record as it is stored."""
        item: dict[str, Any] = {"unfit": self.unfit} if self.unfit else {"result": self.result}
        if self.unasked:
            item["unasked"] = self.unasked
        return serialization.dumps(item)


def _without_tuples(value: Any, room: int) -> Any:
    """Return a copy with lists in the place of tuples, down to where nesting is refused."""
    kind = type(value)
    if room and kind in (list, tuple):
        return [_without_tuples(each, room - 1) for each in value]
    if room and kind is dict:
        return {key: _without_tuples(each, room - 1) for key, each in value.items()}
    return value
