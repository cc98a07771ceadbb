"""Bind a call to a job's parameters, so that a wrong argument fails where it is given."""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from sidelong.client.argument_types import ArgumentTypes
from sidelong.errors import ArgumentError, JobDefinitionError

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
# A union of the two would be made anew, and searched, for each element.
_SEQUENCES = (tuple, list)


class Signature:
    """The parameters of one job, all of which can be given by position, as Sidekiq's `args` are.

    Args:
        function: what the job runs.
        name: how messages call the job.
        is_method: leaves out the first parameter, `self`.
        is_typed: whether arguments are converted as the parameters are annotated.

    Attributes:
        convert: returns the arguments of a payload as the job takes them, or raises `ArgumentError`.

    Raises:
        JobDefinitionError: a parameter can only be given by keyword, or is annotated with what JSON cannot become.
    """

    def __init__(
        self, function: Callable[..., Any], name: str, *, is_method: bool = False, is_typed: bool = True
    ) -> None:
        self._name = name
        try:
            signature = inspect.signature(function)
        except ValueError as error:
            raise JobDefinitionError(f"{name}: {error}") from None
        parameters = list(signature.parameters.values())
        if is_method:
            if not parameters:
                raise JobDefinitionError(f"{name}: perform has no parameter `self`")
            # `*args` takes `self` as well and stays.
            if parameters[0].kind is not inspect.Parameter.VAR_POSITIONAL:
                del parameters[0]
        for parameter in parameters:
            self._refuse_keyword_only(parameter)
        types = ArgumentTypes(name, function, parameters) if is_typed else None
        self._types = types if types is not None and types.is_needed else None
        # No method: it is called for every job, and a call more costs a fifth of most conversions.
        self.convert: Callable[[list[Any]], Sequence[Any]] = _unchanged if self._types is None else self._types.decode
        self._signature = signature.replace(parameters=parameters)
        positional = [parameter for parameter in parameters if parameter.kind in _POSITIONAL]
        self._least = sum(parameter.default is inspect.Parameter.empty for parameter in positional)
        self._most = len(positional) if len(positional) == len(parameters) else float("inf")

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[Any]:
        """Return the arguments as payloads carry them: a list, without defaults at the end that were not given.

        Raises:
            TypeError: the arguments do not fit the parameters, or not their annotations (`ArgumentError`).
        """
        # Nearly every call gives its arguments by position; a full `bind` costs more than the whole push.
        is_plain = not kwargs and self._least <= len(args) <= self._most
        bound = list(args) if is_plain else self._bound(args, kwargs)
        return bound if self._types is None else self._types.encode(bound)

    def check_count(self, args: Sequence[Any]) -> None:
        """Refuse arguments that are too few or too many.

        Raises:
            TypeError: with what the job takes.
        """
        if not self._least <= len(args) <= self._most:
            self._bound(tuple(args), {})

    def bind_each(self, elements: Iterable[Sequence[Any]]) -> Iterator[list[Any]]:
        """Return what `bind` gives for each of `elements`, which are tuples or lists of positional arguments.

        Raises:
            TypeError: as `bind`, naming the element.
        """
        least, most = self._least, self._most
        encode = None if self._types is None else self._types.encode
        for index, element in enumerate(elements):
            try:
                if not isinstance(element, _SEQUENCES):
                    raise TypeError(
                        f"{self._name}: enqueue_many takes tuples or lists of arguments, as in [(1,), (2,)], "
                        f"not {type(element).__name__}"
                    )
                bound = list(element) if least <= len(element) <= most else self._bound(tuple(element), {})
                if encode is not None:
                    bound = encode(bound)
            except TypeError as error:
                kind = ArgumentError if isinstance(error, ArgumentError) else TypeError
                raise kind(f"element {index}: {error}") from error.__cause__
            yield bound

    def _bound(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[Any]:
        try:
            bound = self._signature.bind(*args, **kwargs)
        except TypeError as error:
            names = ", ".join(self._signature.parameters) or "no arguments"
            raise TypeError(f"{self._name}: {error}; it takes {names}") from None
        values: list[Any] = []
        given = 0
        for name, parameter in self._signature.parameters.items():
            if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
                values.extend(bound.arguments.get(name, ()))
                given = len(values) if bound.arguments.get(name) else given
                continue
            values.append(bound.arguments.get(name, parameter.default))
            if name in bound.arguments:
                given = len(values)
        return values[:given]

    def _refuse_keyword_only(self, parameter: inspect.Parameter) -> None:
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            raise JobDefinitionError(
                f"{self._name}: the parameter {parameter.name!r} can only be given by keyword, but job "
                "arguments travel as a list; remove the `*` before it"
            )
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            raise JobDefinitionError(
                f"{self._name}: `**{parameter.name}` cannot be filled, since job arguments travel as a list; "
                "take a dict instead"
            )


def _unchanged(args: list[Any]) -> Sequence[Any]:
    return args
