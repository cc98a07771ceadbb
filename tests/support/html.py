"""What a reader sees on a page: the rows of its tables and the facts of a job, as text."""

import re
from html.parser import HTMLParser

_VOID = frozenset({"meta", "wbr", "link", "input", "img", "br", "rect", "line", "polyline"})


def rows(html: str) -> list[dict[str, str]]:
    """Return the rows of all lists of a page: by the name of each column, the text in it."""
    return _read(html).rows


def facts(html: str) -> dict[str, str]:
    """Return what the page of a job says, by name: the facts, and the texts that stand as they are."""
    return _read(html).facts


def job_links(html: str, path: str) -> list[str]:
    """Return the addresses of the jobs that a list shows, each once, in order; they say where it stood.

    Args:
        html: the page.
        path: of the list.
    """
    return list(dict.fromkeys(link for link in _read(html).links if link.startswith(f"{path}/") and "at=" in link))


def text(html: str) -> str:
    """Return all that can be read on a page, with one space between words."""
    return _plain(_read(html).text)


def _read(html: str) -> "_Reader":
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.rows: list[dict[str, str]] = []
        self.facts: dict[str, str] = {}
        self.links: list[str] = []
        self.text = ""
        # What is open: tag, where its text goes, and where its text begins.
        self._open: list[tuple[str, str | None, int]] = []
        self._name = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        if "href" in given:
            self.links.append(given["href"])
        if tag == "tr":
            self.rows.append({})
        if tag not in _VOID:
            label = {"td": given.get("data-label"), "pre": given.get("aria-label"), "dt": "", "dd": ""}.get(tag)
            self._open.append((tag, label, len(self.text)))
        # A place to break a word is none between two.
        self.text += "" if tag == "wbr" else " "

    def handle_endtag(self, tag: str) -> None:
        while self._open:
            opened, label, begin = self._open.pop()
            self._take(opened, label, self.text[begin:])
            if opened == tag:
                break
        self.text += " "

    def handle_data(self, data: str) -> None:
        self.text += data

    def _take(self, tag: str, label: str | None, found: str) -> None:
        if tag == "dt":
            self._name = _plain(found)
        elif tag == "dd":
            self.facts[self._name] = _plain(found)
        elif tag == "pre" and label:
            self.facts[label] = found.strip()
        elif tag == "td" and label:
            self.rows[-1][label] = _plain(found)
        elif tag == "tr" and not self.rows[-1]:
            # The names of the columns.
            self.rows.pop()


def _plain(found: str) -> str:
    return re.sub(r"\s+", " ", found).strip()
