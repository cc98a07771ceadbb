"""A job as Python that enqueues it again, to be copied."""

import keyword
from typing import Any, Final

from sidelong.api.masking import mask_arguments
from sidelong.api.records import JobRecord
from sidelong.app import Sidelong
from sidelong.core.options import DEFAULT_QUEUE
from sidelong.web.redaction import LARGEST
from sidelong.web.site import Site

_LONGEST: Final = 20_000


def python_of(site: Site, record: JobRecord) -> str | None:
    """Return a snippet that enqueues a job with the arguments, queue and tags of this one.

    A job of the app that can be imported is, and all others are enqueued by their names.

    Args:
        site: whose app knows some jobs, or none.
        record: the job.

    Returns:
        The snippet; None for what is no job, is not to be seen, or too long to be copied.
    """
    is_large = len(record.value) > LARGEST
    if record.item is None or record.fault is not None or is_large or site.hides_arguments_of(record):
        return None
    masked = mask_arguments(record.item)
    lines = _call(site.app, record, [repr(argument) for argument in masked.value])
    if masked.hidden:
        lines.insert(0, f"# Put in what is hidden here: {', '.join(masked.hidden)}")
    snippet = "\n".join(lines)
    return snippet if len(snippet) <= _LONGEST else None


def _call(app: Sidelong, record: JobRecord, arguments: list[str]) -> list[str]:
    name, queue, tags = record.job_class, record.queue or DEFAULT_QUEUE, record.tags
    job = app.registry.get(name) if name in app.registry else None
    place = None if job is None or job.name != name else _place(job)
    if job is not None and not _fits(job, record.args):
        # Checked against the job's signature it would be refused.
        fields = [f"'class': {name!r}", f"'args': [{', '.join(arguments)}]", f"'queue': {queue!r}"]
        fields += [f"'tags': {tags!r}"] if tags else []
        return [f"await app.client.push({{{', '.join(fields)}}})"]
    options = [f"queue={queue!r}"] if queue != (job.options.queue if job is not None else DEFAULT_QUEUE) else []
    if tags != (list(job.options.tags or ()) if job is not None else []):
        options.append(f"tags={tags!r}")
    if place is None:
        return [f"await app.enqueue({', '.join([repr(name), *arguments, *options])})"]
    module, path = place
    target = f"{path}.with_options({', '.join(options)})" if options else path
    return [f"from {module} import {path.partition('.')[0]}", "", f"await {target}.enqueue({', '.join(arguments)})"]


def _place(job: Any) -> tuple[str, str] | None:
    """Return the module of a job and its name there; None if it cannot be told."""
    # The name of a class is that of its `perform` less the last word.
    for path in (job.__qualname__, job.__qualname__.removesuffix(".perform")):
        module = job.name.removesuffix(f".{path}")
        if module != job.name and all(map(_is_name, f"{module}.{path}".split("."))):
            return module, path
    return None


def _is_name(word: str) -> bool:
    return word.isidentifier() and not keyword.iskeyword(word)


def _fits(job: Any, args: list[Any]) -> bool:
    """Tell whether a call with these arguments makes this job again; trailing defaults are left out of payloads."""
    try:
        bound = job.bind(args)
    except TypeError:
        return False
    return repr(bound) == repr(args[: len(bound)])
