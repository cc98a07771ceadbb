"""Keys and values beside a log message."""

import re
from typing import Any

from sidelong.core.display import shown

_WORD = re.compile(r"[\w.:/+@-]{1,100}", re.ASCII)
_MOST_SHOWN = 10
_NEEDS_QUOTES = re.compile(r'[\s"=]|^$')


class Fields(dict[str, Any]):
    """A dict whose text is `key=value key=value`: what the values hold cannot pass for another key or line.

    Many records share one, and its text is kept: it is complete before it is first shown, and not changed afterwards.
    """

    _text: str | None = None

    def __str__(self) -> str:
        if self._text is None:
            self._text = " ".join([f"{_word(key)}={_word(value)}" for key, value in self.items()])
        return self._text


class Seconds(float):
    """A duration, written to the millisecond."""

    def __str__(self) -> str:
        return f"{self:.3f}"


def _word(value: Any) -> str:
    if type(value) is str and _WORD.fullmatch(value):
        # Nearly all are: the long way round takes four times as long.
        return value
    if type(value) is Seconds:
        return str(value)
    try:
        if isinstance(value, list | tuple):
            # Not deeper: a list may contain itself.
            return ",".join([_word(shown(each)) for each in value[:_MOST_SHOWN]])
        text = shown(value)
    except Exception as error:
        # Any object may be a value, and the record must not be lost for the way it shows itself.
        text = f"<{type(value).__name__} raises {type(error).__name__}>"
    if _NEEDS_QUOTES.search(text):
        quotable = text.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{quotable}"'
    return text
