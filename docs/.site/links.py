"""What the site needs beside the pages: its links lead to pages only, and every decision is in the menu.

The pages are written to be read in the repository, too, where they link to code, tests and folders.
"""

import logging
import re
from pathlib import Path
from typing import Any

logger = logging.getLogger("mkdocs.hooks.links")

_FENCES = re.compile(r"(^ *```.*?^ *```$)", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\[([^\]]+)\]\(([^)#\s]+)(?:#[^)\s]*)?\)")

_ON_THE_SITE = {".md", ".png", ".svg"}


def on_config(config: Any) -> Any:
    """Put the decisions into the menu."""
    docs = Path(config.docs_dir)
    decisions = [str(path.relative_to(docs)) for path in sorted(docs.glob("decisions/*.md"))]
    inside = next(section["Inside"] for section in config.nav if "Inside" in section)
    inside.append({"Decisions": decisions})
    return config


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Any) -> str:
    """Turn links that lead out of the site into plain text; warn of those that lead nowhere."""
    docs = Path(config.docs_dir).resolve()
    folder = Path(page.file.abs_src_path).parent

    def text_if_elsewhere(link: re.Match[str]) -> str:
        text, target = link[1], link[2]
        if "://" in target or target.startswith("mailto:"):
            return link[0]
        path = (folder / target).resolve()
        if not path.exists():
            logger.warning("%s links to %s, which does not exist", page.file.src_uri, target)
        return link[0] if path.is_relative_to(docs) and path.suffix in _ON_THE_SITE else text

    # Odd parts are code.
    parts = _FENCES.split(markdown)
    return "".join(part if index % 2 else _LINK.sub(text_if_elsewhere, part) for index, part in enumerate(parts))
