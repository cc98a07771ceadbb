"""Change a job that waits, has failed or is dead, and enqueue it."""

import json
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.responses import Response

from sidelong.api.masking import Masked, mask_arguments
from sidelong.api.records import JobRecord
from sidelong.core import serialization
from sidelong.core.options import check_queue_name
from sidelong.errors import ConfigurationError, InvalidPayloadError, Refused, StoreError
from sidelong.web import texts
from sidelong.web.actions.one import Done
from sidelong.web.confirmation import confirmation
from sidelong.web.redaction import LARGEST
from sidelong.web.routes import View
from sidelong.web.row_keys import digest
from sidelong.web.sections import Section
from sidelong.web.security.bodies import Form, read_form
from sidelong.web.spots import EntrySpot, QueueSpot, Spot, SpotOf
from sidelong.web.visit import Visit, not_found

_ACTION: Final = "edit"
_LONGEST: Final = 200_000
"""Characters of arguments that a form is made of."""


@dataclass
class Draft:
    """What a form holds, and what is wrong with it.

    Attributes:
        fields: its texts by name.
        changes: what they mean, as far as they mean something.
        errors: by the name of the field, in words; "" for all of it.
    """

    fields: dict[str, str]
    changes: dict[str, Any] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, visit: Visit, job: JobRecord, masked: Masked) -> "Draft":
        """Return the form of a job as it is; arguments that are not to be seen are left out."""
        if job.item is None:
            return cls({"item": _visible(job.value.decode("utf-8", "backslashreplace"))})
        # The name of a queue may be bytes that are no text.
        queue = job.queue.encode("utf-8", "backslashreplace").decode()
        fields = {"class": job.job_class, "queue": queue}
        if not visit.site.hides_arguments_of(job):
            fields["args"] = _visible(json.dumps(masked.value, ensure_ascii=False, indent=2))
        return cls(fields)

    @classmethod
    def read(cls, visit: Visit, form: Form, job: JobRecord, masked: Masked) -> "Draft":
        """Take what a form brings; what was not touched is no change."""
        before = cls.of(visit, job, masked).fields
        draft = cls({name: _flat(name, form.get(name, [""])[-1]) for name in before})
        for name, text in draft.fields.items():
            if job.fault is None and text == _flat(name, before[name]):
                continue
            try:
                draft.changes[name] = _READERS[name](text, masked)
            except (ValueError, ConfigurationError, InvalidPayloadError) as error:
                draft.errors[name] = str(error)
        return draft

    async def carry_out(self, spot: Spot) -> Done:
        """Let the changed job enter its queue; what keeps it from that is noted in `errors`."""
        try:
            if "item" in self.fields:
                done = await spot.edit(item=self.changes["item"])
            else:
                done = await spot.edit(self.changes)
        except StoreError as error:
            # The key of its queue may hold something else; all others are Redis' own trouble.
            if not isinstance(error, Refused) or error.code != "WRONGTYPE":
                raise
            self.errors[""] = str(error)
        except HTTPException:
            raise
        except Exception as error:
            # Whatever a push would refuse, or a client middleware raises.
            self.errors[""] = f"{type(error).__name__}: {error}"
        else:
            if done is Done.STOPPED:
                self.errors[""] = texts.text("edit_stopped")
            return done
        return Done.STOPPED


def entry_of(section: Section) -> SpotOf:
    """Return what finds the entry of a set that a request is about."""
    return lambda visit, form: EntrySpot(visit, section)


def form(spot_of: SpotOf) -> View:
    """Return the view of the form."""

    async def view(visit: Visit) -> Response:
        spot = spot_of(visit, {})
        await visit.require(_ACTION, spot.target)
        job = await spot.find()
        if isinstance(job, Done):
            not_found()
        return await _page(visit, spot, job, None if _is_long(job) else Draft.of(visit, job, _masked(job)))

    return view


def change(spot_of: SpotOf) -> View:
    """Return the view that takes the form."""

    async def view(visit: Visit) -> Response:
        brought = await read_form(visit.request)
        spot = spot_of(visit, brought)
        await visit.require(_ACTION, spot.target)
        job = await spot.find()
        if isinstance(job, Done):
            visit.record(_ACTION, f"{spot.target} {spot.key}", job)
            return visit.back("", spot.home, job)
        if _is_long(job):
            return await _page(visit, spot, job, None, status=422)
        draft = Draft.read(visit, brought, job, _masked(job))
        if draft.errors:
            return await _page(visit, spot, job, draft, status=422)
        if "confirmed" not in brought:
            question = texts.text(f"confirm_edit{spot.words}", name=job.display_class, fields=_names(draft))
            return await confirmation(visit, brought, question, f"{_ACTION}{spot.words}")
        done = await draft.carry_out(spot)
        if draft.errors:
            return await _page(visit, spot, job, draft, status=422)
        return visit.back("", spot.home, _ACTION if done is Done.DONE else done)

    return view


FORM_OF_QUEUED: Final = form(QueueSpot)
CHANGE_OF_QUEUED: Final = change(QueueSpot)


def _masked(job: JobRecord) -> Masked:
    return mask_arguments(job.item or {})


def _is_long(job: JobRecord) -> bool:
    return len(job.value) > LARGEST


def _names(draft: Draft) -> str:
    return ", ".join(texts.text(f"edit_{name}") for name in draft.changes) or texts.text("edit_nothing")


async def _page(visit: Visit, spot: Spot, job: JobRecord, draft: Draft | None, status: int = 200) -> Response:
    """Return the form, or, without a draft of it, that there is none."""
    return await visit.page(
        "edit.html",
        status=status,
        spot=spot,
        seen=digest(job),
        job=job,
        draft=draft,
        is_too_long=draft is None or max(map(len, draft.fields.values())) > _LONGEST,
    )


def _visible(text: str) -> str:
    """Return JSON with an escape for each character that would not be seen, or would turn the writing around."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or character == "\n" else json.dumps(character)[1:-1] for character in text
    )


def _flat(name: str, text: str) -> str:
    """Return a text as a browser sends it back, which writes the ends of lines in its own way, or not at all."""
    return text.replace("\r\n", "\n") if name in ("args", "item") else text.replace("\r", "").replace("\n", "")


def _read_class(text: str, _masked: Masked) -> str:
    if not text.strip():
        raise ValueError(texts.text("class_missing"))
    return text.strip()


def _read_queue(text: str, _masked: Masked) -> str:
    return check_queue_name(text.strip())


def _read_arguments(text: str, masked: Masked) -> list[Any]:
    arguments = serialization.loads(text.encode())
    if type(arguments) is not list:
        raise ValueError(texts.text("arguments_no_list"))
    restored: list[Any] = masked.restored(arguments)
    return restored


def _read_item(text: str, _masked: Masked) -> dict[str, Any]:
    item = serialization.loads(text.encode())
    if type(item) is not dict:
        raise ValueError(texts.text("item_no_object"))
    return item


_READERS: Final = {"class": _read_class, "queue": _read_queue, "args": _read_arguments, "item": _read_item}
