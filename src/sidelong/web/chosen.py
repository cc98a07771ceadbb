"""Which jobs a form is about: those that were ticked, or all that match the filter of the list."""

from collections.abc import Collection
from dataclasses import dataclass

from starlette.responses import Response

from sidelong.web import texts
from sidelong.web.actions.outcome import ListOutcome
from sidelong.web.bounded import Counts
from sidelong.web.confirmation import confirmation
from sidelong.web.listing import ListQuery, read_place
from sidelong.web.pages import cut
from sidelong.web.security.bodies import Form
from sidelong.web.selection import MOST, Selection
from sidelong.web.visit import Visit, bad_request

_LASTING = frozenset({"delete", "cancel"})
"""What cannot be undone."""


@dataclass(frozen=True)
class Chosen:
    """What a form asks for.

    Attributes:
        action: what is to be done.
        selection: to which jobs.
        way_back: where the form wants to go afterwards; it may say anything.
        form: all that it brought.
    """

    action: str
    selection: Selection
    way_back: str
    form: Form

    @classmethod
    def read(cls, form: Form, actions: Collection[str]) -> "Chosen":
        """Take what a form brings.

        Raises:
            HTTPException: 400 if it asks for no action that there is, or names too many jobs.
        """
        last = {name: values[-1] for name, values in form.items()}
        action, keys = last.get("action", ""), frozenset(form.get("key", ()))
        if action not in actions or len(keys) > MOST:
            bad_request()
        selection = Selection(
            keys,
            is_all="all" in form,
            query=ListQuery.read(last),
            near=read_place(last.get("start")),
            after=last.get("after"),
        )
        return cls(action, selection, last.get("return", ""), form)

    @property
    def must_ask(self) -> bool:
        """Whether the question, if it is meant, was not answered yet."""
        return "confirmed" not in self.form and (self.selection.is_all or self.action in _LASTING)

    async def ask(self, visit: Visit, size: int) -> Response:
        """Return the page that asks whether it is meant.

        Args:
            visit: the request.
            size: how many jobs the list has.
        """
        question, filters = "confirm_chosen", self.selection.query.filters
        if self.selection.is_all:
            question = "confirm_matching" if filters else "confirm_all"
        count = size if self.selection.is_all else len(self.selection.keys)
        meant = ", ".join(f"{texts.text(f'filter_{name}')} = {cut(value, 60)}" for name, value in filters.items())
        said = texts.text(question, action=texts.text(self.action), n=count, filter=meant)
        return await confirmation(visit, self.form, said, self.action)

    async def answer(self, visit: Visit, outcome: ListOutcome, home: str) -> Response:
        """Return the answer after it was done: the page that says what was done, or the question whether to go on.

        Args:
            visit: the request.
            outcome: what was done.
            home: the page to go to if the form names none.
        """
        counts = outcome.counts or Counts()
        if outcome.goes_on is None:
            return visit.back(self.way_back, home, counts.said(self.action))
        question = texts.text("partial", done=counts.done, looked_at=outcome.looked_at)
        form = {**self.form, "after": [outcome.goes_on]}
        return await confirmation(visit, form, question, self.action, title="partial_title", yes="go_on_with")
