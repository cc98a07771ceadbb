"""Where a browser goes after an action: back to a page of ours, and nowhere else."""

import re
from typing import Final

# A path without a scheme, host, backslash, white space or anything a header or a browser could misread.
_PAGE: Final = re.compile(r"/(?:[A-Za-z0-9_.:~%-]+(?:/[A-Za-z0-9_.:~%-]+)*)?(?:\?[A-Za-z0-9_.:~%+=&*-]*)?")
_LONGEST: Final = 4_096


def safe_return(given: str, otherwise: str) -> str:
    """Return the path, below the place where the pages are, to go back to.

    Args:
        given: what the form says; it may say anything.
        otherwise: the page if that is none of ours.
    """
    if len(given) > _LONGEST or not _PAGE.fullmatch(given) or ".." in given:
        return otherwise
    return given
