"""What requests may say: which jobs, and how many of them. What is unknown or out of range is refused, not mended."""

from typing import Annotated, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from sidelong.web.listing import COUNTS, ListQuery
from sidelong.web.selection import MOST, Selection

LONGEST_TEXT: Final = 500
Text = Annotated[str, Meta(min_length=1, max_length=LONGEST_TEXT)]
Count = Annotated[int, Meta(ge=1, le=COUNTS[-1])]
Page = Annotated[int, Meta(ge=1, le=10**9)]
Place = Annotated[int, Meta(ge=0, le=10**12)]
Number = Annotated[float, Meta(ge=0, le=10**12)]
"""A place in JSON, where 5.0 is as whole as 5 is."""
Order = Literal["usual", "reversed"]
Mark = Annotated[str, Meta(min_length=1, max_length=2_000)]
JobKeys = Annotated[list[Annotated[str, Meta(max_length=1_000)]], Meta(min_length=1, max_length=MOST)]


class Conditions(Struct, kw_only=True, forbid_unknown_fields=True, rename={"job_class": "class"}):
    """Which jobs are meant: those that meet all conditions.

    Attributes:
        job_class: the class, as a worker looks it up or as people know it.
        job: the class as people know it, and no other.
        queue: the queue that it is in, or goes to.
        tag: one of its tags.
        error: the class of its last error; `(no error)` for none.
        text: stands anywhere in the stored job; capitals and small letters are alike.
    """

    job_class: Text | UnsetType = UNSET
    job: Text | UnsetType = UNSET
    queue: Text | UnsetType = UNSET
    tag: Text | UnsetType = UNSET
    error: Text | UnsetType = UNSET
    text: Text | UnsetType = UNSET

    @property
    def given(self) -> dict[str, str]:
        """The conditions by the names that addresses of pages have for them."""
        named = {
            "class": self.job_class,
            "job": self.job,
            "queue": self.queue,
            "tag": self.tag,
            "error": self.error,
            "text": self.text,
        }
        return {name: value for name, value in named.items() if isinstance(value, str)}


class ListParameters(Conditions, kw_only=True, rename={"job_class": "class", "start": "from"}):
    """Which part of a list is wanted.

    Attributes:
        page: which page, without conditions; of pages that there are not, the last.
        count: how many jobs at most.
        order: the order in which the pages show the list, or the other one.
        start: with conditions: how many jobs of the list to leave out; `next` of an answer says it.
    """

    page: Page = 1
    count: Count = COUNTS[0]
    order: Order = "usual"
    start: Place = 0

    @property
    def list_query(self) -> ListQuery:
        """The same as pages know it."""
        filters = self.given
        return ListQuery(self.page, self.count, self.order == "reversed", self.start if filters else 0, filters)


class Standing(Struct, kw_only=True, forbid_unknown_fields=True):
    """Where in its list a job stood, as its `url` says: it is looked for there first.

    Attributes:
        at: how many jobs stood before it.
        order: the order of that list.
    """

    at: Place = 0
    order: Order = "usual"

    @property
    def list_query(self) -> ListQuery:
        """The list in which it stood."""
        return ListQuery(1, COUNTS[0], self.order == "reversed", 0, {})


class Keys(Struct, kw_only=True, forbid_unknown_fields=True):
    """Jobs of a list, one by one.

    Attributes:
        keys: their `key`.
        at: about where in the list they stood.
        order: the order of that list.
    """

    keys: JobKeys
    at: Number = 0
    order: Order = "usual"

    @property
    def selection(self) -> Selection:
        """The same as actions know it."""
        query = ListQuery(1, COUNTS[0], self.order == "reversed", 0, {})
        return Selection(frozenset(self.keys), is_all=False, query=query, near=int(self.at))


class Matching(Struct, kw_only=True, forbid_unknown_fields=True):
    """All jobs of a list that meet some conditions.

    Attributes:
        filter: the conditions; with none of them all jobs of the list are meant.
        after: where to go on: `goes_on` of an answer before.
    """

    filter: Conditions
    after: Mark | UnsetType = UNSET

    @property
    def selection(self) -> Selection:
        """The same as actions know it."""
        query = ListQuery(1, COUNTS[0], False, 0, self.filter.given)
        return Selection(frozenset(), is_all=True, query=query, after=self.after if self.after else None)
