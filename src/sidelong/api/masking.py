"""Arguments that people edit without seeing the secrets in them."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from sidelong.api.display import is_secret
from sidelong.core import serialization

_MARK: Final = "***"


@dataclass(frozen=True, slots=True)
class Masked:
    """A value with a mark in the place of each secret.

    Attributes:
        value: what may be shown; nothing else about it is changed.
        hidden: what each mark stands for.
        mark: what all marks begin with, and nothing else in the value.
    """

    value: Any
    hidden: Mapping[str, Any]
    mark: str = _MARK

    def restored(self, value: Any) -> Any:
        """Return a value, which people may have changed, with what the marks in it stand for.

        Raises:
            ValueError: it holds a mark that stands for nothing.
        """
        if type(value) is list:
            return [self.restored(element) for element in value]
        if type(value) is dict:
            return {key: self.restored(inner) for key, inner in value.items()}
        if type(value) is str and value in self.hidden:
            return self.hidden[value]
        if type(value) is str and value.startswith(self.mark):
            raise ValueError(f"{value!r} stands for nothing: a mark must stay as it is, or be replaced by a value")
        return value


def mask_arguments(item: Mapping[str, Any]) -> Masked:
    """Return the arguments of a payload, an empty list if it has none, with marks for its secrets.

    These are values whose key looks like that of a password, token or the like, at any depth, and the last argument
    of a job with `encrypt`.
    """
    arguments = item.get("args")
    if type(arguments) is not list:
        return Masked([], {})
    text = serialization.dumps(arguments)
    # What holds the usual mark cannot hold its own digest, and a mark must be found at once whatever stands there.
    mark = f"{_MARK}{sha256(text).hexdigest()[:16]}" if _MARK.encode() in text else _MARK
    hidden: dict[str, Any] = {}

    def hide(secret: Any) -> str:
        name = f"{mark} hidden {len(hidden) + 1}"
        hidden[name] = secret
        return name

    def mask(value: Any) -> Any:
        if type(value) is list:
            return [mask(element) for element in value]
        if type(value) is dict:
            return {key: hide(inner) if is_secret(key) else mask(inner) for key, inner in value.items()}
        return value

    masked = [mask(argument) for argument in arguments]
    if item.get("encrypt") and arguments:
        masked[-1] = hide(arguments[-1])
    return Masked(masked, hidden, mark)
