"""`${NAME}` and `${NAME:-default}` in a settings file: variables that are put in their place."""

import re
from collections.abc import Mapping
from typing import Final

from sidelong.errors import ConfigurationError

_DOLLAR: Final = re.compile(
    r"\$(?:(?P<escaped>\$)|\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<has_default>:-(?P<default>[^${}]*))?\})?"
)


def has_placeholder(text: str) -> bool:
    """Return whether something in `text` has to be replaced."""
    return "$" in text


def fill_in(text: str, variables: Mapping[str, str]) -> str:
    """Return `text` with variables put in their place; `$$` is a dollar sign.

    An empty variable counts as unset.

    Raises:
        ConfigurationError: a variable without a default is not set, or a dollar sign stands alone. The message
            continues a sentence that begins with the key, and shows nothing of the text, which may be a secret.
    """

    def replace(found: re.Match[str]) -> str:
        if found["escaped"]:
            return "$"
        name = found["name"]
        if name is None:
            raise ConfigurationError(
                "has a dollar sign by itself: write ${NAME} or ${NAME:-default} for a variable, and $$ for the sign"
            )
        if value := variables.get(name):
            return value
        if found["has_default"]:
            return found["default"]
        raise ConfigurationError(
            f"needs the variable {name}, which is not set: set it, or write ${{{name}:-default}} in the file"
        )

    return _DOLLAR.sub(replace, text)
