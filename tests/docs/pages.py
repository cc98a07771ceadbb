"""The Markdown pages, and what stands in them: fenced blocks, commands and links."""

import re
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
PAGES = [CHECKOUT / "README.md", *sorted(CHECKOUT.glob("docs/**/*.md"))]

OTHER_LIBRARIES = ("arq", "celery")
"""What pages show code of that is not installed here: files that import them, or `arq_...`, are compiled, not run."""

_FENCE = re.compile(r"^```(\w*)([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_TITLE = re.compile(r'title="([^"]*)"')
_FOREIGN = re.compile(rf"^(from|import) ({'|'.join(OTHER_LIBRARIES)})(_\w+)?\b", re.MULTILINE)
_SHELLS = {"sh", "bash", "shell", "console"}
_LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, its title or an empty string, and its text."""

    language: str
    title: str
    text: str

    @property
    def is_shell(self) -> bool:
        """Whether it holds commands."""
        return self.language in _SHELLS

    @property
    def is_meanwhile(self) -> bool:
        """Whether it is for another terminal, while what was started before goes on."""
        return self.title == "Another terminal"

    @property
    def is_read_by_others(self) -> bool:
        """Whether it is a file that cannot be imported by itself."""
        return self.title.startswith("Read by ")

    @property
    def is_foreign(self) -> bool:
        """Whether it is code of a library that is not installed here."""
        return _FOREIGN.search(self.text) is not None


def read_blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page, in order."""
    return [
        Block(language, title[1] if (title := _TITLE.search(rest)) else "", text)
        for language, rest, text in _FENCE.findall(page.read_text())
    ]


def read_commands(block: Block) -> list[str]:
    """Return the commands of a shell block: continued lines joined, comments and prompts left out."""
    lines = block.text.replace("\\\n", " ").splitlines()
    if block.language == "console":
        lines = [line for line in lines if line.startswith("$ ")]
    return [line.removeprefix("$ ").strip() for line in lines if line.strip() and not line.startswith("#")]


def read_links(page: Path) -> list[str]:
    """Return where a page links to within the repository."""
    return [target for target in _LINK.findall(page.read_text()) if "://" not in target]
