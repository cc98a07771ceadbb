"""Find jobs by the names that payloads carry; nothing is ever imported because a payload names it."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sidelong.client.job import Job
from sidelong.core.display import shown
from sidelong.errors import JobDefinitionError, UnknownJobError

AnyJob = Job[..., Any]


class Registry:
    """The jobs of one application; every name and alias belongs to one job."""

    def __init__(self) -> None:
        self._jobs: dict[str, AnyJob] = {}
        self._aliases: dict[str, AnyJob] = {}

    def register(self, job: AnyJob) -> None:
        """Add a job; the same function, defined again by a reloaded module, takes the place of the old.

        Raises:
            JobDefinitionError: another job has the name or one of the aliases.
        """
        replaced = self._jobs.get(job.name)
        for name in (job.name, *job.aliases):
            owner = self._find(name)
            if owner is not None and not _is_redefinition(owner, job):
                raise JobDefinitionError(
                    f"two jobs would be called {name!r}: {_origin(owner)} and {_origin(job)}; give one another name="
                )
        if replaced is not None:
            self._aliases = {alias: owner for alias, owner in self._aliases.items() if owner is not replaced}
        self._jobs[job.name] = job
        self._aliases.update(dict.fromkeys(job.aliases, job))

    def get(self, name: str) -> AnyJob:
        """Return the job that has this name or alias.

        Raises:
            UnknownJobError: there is none.
        """
        # Written out: a worker asks for every job.
        job = self._jobs.get(name) or self._aliases.get(name)
        if job is not None:
            return job
        raise UnknownJobError(
            f"no job of this app is called {shown(name)!r}; import its module, or make it an alias of the job it became"
        )

    def queues(self) -> tuple[str, ...]:
        """Return the queues that the jobs are enqueued to, retries included, in the order of registration."""
        queues: dict[str, None] = {}
        for job in self:
            queues[job.options.queue] = None
            if job.options.retry_queue is not None:
                queues[job.options.retry_queue] = None
        return tuple(queues)

    def __contains__(self, name: object) -> bool:
        return name in self._jobs or name in self._aliases

    def __iter__(self) -> Iterator[AnyJob]:
        return iter(tuple(self._jobs.values()))

    def __len__(self) -> int:
        return len(self._jobs)

    def _find(self, name: str) -> AnyJob | None:
        return self._jobs.get(name) or self._aliases.get(name)


def wire_name(target: Callable[..., Any]) -> str:
    """Return `module.qualname`, where `__main__` is the module's real name.

    A function inside another one has a name too (`module.outer.<locals>.inner`); a worker knows it only if it
    runs in the process that defined it, as in tests.

    Raises:
        JobDefinitionError: the target has no name of its own.
    """
    qualname = getattr(target, "__qualname__", None)
    if qualname is None or qualname.endswith("<lambda>"):
        raise JobDefinitionError(f"{target!r} has no name that a worker could know: give it one with name=")
    module = target.__module__
    return f"{_main_module() if module == '__main__' else module}.{qualname}"


def _main_module() -> str:
    """Return the name under which a worker imports the program that is running."""
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return str(spec.name)
    file = getattr(main, "__file__", None)
    return _module_of(Path(file).absolute()) if file else "__main__"


def _module_of(file: Path) -> str:
    parts = [file.stem]
    folder = file.parent
    while (folder / "__init__.py").is_file():
        parts.insert(0, folder.name)
        folder = folder.parent
    return ".".join(parts)


def _is_redefinition(old: AnyJob, new: AnyJob) -> bool:
    return old.name == new.name and _origin(old) == _origin(new)


def _origin(job: AnyJob) -> str:
    return f"{job.__module__}.{job.__qualname__}"  # type: ignore[attr-defined]
