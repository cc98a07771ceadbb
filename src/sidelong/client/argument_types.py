"""Convert arguments: at the call to JSON, and before the job runs to what its parameters are annotated with."""

import functools
import inspect
import logging
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import date, datetime, time
from typing import Any, Final

import msgspec
from msgspec import convert
from msgspec.structs import astuple

from sidelong.client.annotations import RAW, ArgumentType, UnresolvedError, argument_type, scope_of, shown_annotation
from sidelong.client.round_trip import changes
from sidelong.core.display import shown
from sidelong.errors import ArgumentError

logger = logging.getLogger("sidelong")

_PLACE: Final = re.compile(r"(?P<reason>.*) - at (?P<key>`key` in )?`\$\[(?P<index>\d+)\](?P<path>.*)`", re.DOTALL)
_EXACT: Final = (int, str, bool, float)
# What follows is the value, which may be a secret.
_QUOTED: Final = re.compile(r"(Invalid (?:enum )?value) .*", re.DOTALL)


class ArgumentTypes:
    """The types of one job's parameters, as one type that `msgspec.convert` is given for all arguments at once.

    Args:
        job: the name of the job, for messages.
        function: what the job runs.
        parameters: its parameters but for `self`, all of which can be given by position.

    Raises:
        JobDefinitionError: an annotation cannot be converted to.
    """

    def __init__(self, job: str, function: Callable[..., Any], parameters: Sequence[inspect.Parameter]) -> None:
        self._job = job
        self._parameters = tuple(parameters)
        self._scope = scope_of(function)
        self._is_variadic = any(each.kind is inspect.Parameter.VAR_POSITIONAL for each in parameters)
        self._fixed = len(parameters) - self._is_variadic
        self._is_ready = False
        self._exact: tuple[Any, ...] | None = None
        # What cannot be resolved yet may be defined further down the module.
        with suppress(UnresolvedError):
            self._prepare([argument_type(each, self._scope, job) for each in parameters])

    @property
    def is_needed(self) -> bool:
        """True if there is anything to convert, or if it is too early to tell."""
        return not self._is_ready or self._target is not None

    def encode(self, args: list[Any]) -> list[Any]:
        """Return arguments as JSON carries them.

        Values of parameters that are not annotated stay as they are.

        Raises:
            ArgumentError: one does not fit its annotation, or would not arrive as it is.
        """
        if tuple(map(type, args)) == self._exact:
            return args
        if not self._is_ready:
            self._prepare_finally()
        if self._target is None:
            return args
        given = self._packed(args) if self._is_variadic else args
        if not self._encoded:
            self._check(given)
            return args
        encoded = [index for index in self._encoded if index < len(given)]
        sent = list(given)
        for index in encoded:
            sent[index] = self._json_of(index, given[index])
        arrived = astuple(self._check(sent))
        for index in encoded:
            for change in changes(given[index], arrived[index], self._parameters[index].name):
                raise ArgumentError(f"{self._job}: {change}; annotate it with the type that is meant")
        return [*sent[: self._fixed], *sent[self._fixed]] if len(sent) > self._fixed else sent

    def decode(self, args: list[Any]) -> Sequence[Any]:
        """Return arguments of a payload as the job takes them; too few or too many stay so.

        Raises:
            ArgumentError: one does not fit its annotation.
        """
        if tuple(map(type, args)) == self._exact:
            return args
        if not self._is_ready:
            self._prepare_finally()
        if self._target is None:
            return args
        try:
            arrived = astuple(self._convert(self._packed(args) if self._is_variadic else args, self._target))
        except msgspec.ValidationError as error:
            raise self._misfit(error) from error.__cause__
        if len(args) == len(arrived) and not self._is_variadic:
            return arrived
        if len(args) <= self._fixed:
            return arrived[: len(args)]
        return [*arrived[: self._fixed], *(arrived[self._fixed] if self._is_variadic else args[self._fixed :])]

    # The type.

    def _prepare_finally(self) -> None:
        """Build the type at first use, when all modules are loaded."""
        self._prepare([self._type_or_raw(each) for each in self._parameters])

    def _type_or_raw(self, parameter: inspect.Parameter) -> ArgumentType:
        try:
            return argument_type(parameter, self._scope, self._job)
        except UnresolvedError as error:
            logger.warning(
                "%s: the annotation %s of %r cannot be resolved, so its arguments stay as JSON gives them: %s",
                self._job,
                shown(shown_annotation(parameter)),
                parameter.name,
                shown(error),
            )
            return RAW

    def _prepare(self, found: Sequence[ArgumentType]) -> None:
        target: type[msgspec.Struct] | None = None
        if any(each is not RAW for each in found):
            targets = [each.target for each in found]
            if self._is_variadic:
                targets[-1] = list[targets[-1]]  # type: ignore[valid-type]
            # All have a default: how many there must be is for the signature to say.
            fields = [(f"argument_{index}", each, None) for index, each in enumerate(targets)]
            target = msgspec.defstruct("Arguments", fields, array_like=True)
        # Several threads may prepare at once: what the others see is complete at any time.
        self._target = target
        # Asking for such keys costs more than all the rest.
        has_other_keys = any(each.has_other_keys for each in found)
        self._convert: Callable[..., Any] = functools.partial(convert, str_keys=True) if has_other_keys else convert
        # Most parameters are of the very types that JSON has: comparing them takes a third of converting.
        is_exact = not self._is_variadic and all(each.target in _EXACT for each in found)
        self._exact = tuple(each.target for each in found) if is_exact else None
        self._encoded = tuple(index for index, each in enumerate(found) if not each.is_native)
        self._is_ready = True

    # One list of arguments.

    def _packed(self, args: list[Any]) -> list[Any]:
        """Return arguments with those of `*args` as one list, if there are any."""
        return [*args[: self._fixed], args[self._fixed :]] if len(args) > self._fixed else args

    def _json_of(self, index: int, value: Any) -> Any:
        try:
            return _from_json(_to_json(value))
        except Exception as error:
            name = self._parameters[index].name
            raise ArgumentError(
                f"{self._job}: the argument {name!r} cannot travel as JSON: {shown(error)}"
            ) from error.__cause__

    def _check(self, packed: list[Any]) -> Any:
        try:
            return self._convert(packed, self._target)
        except msgspec.ValidationError as error:
            raise self._misfit(error) from error.__cause__

    def _misfit(self, error: msgspec.ValidationError) -> ArgumentError:
        # Its own text may quote the argument. Only what user code has raised while an object was made is its cause.
        found = _PLACE.fullmatch(str(error))
        if found is None:
            return ArgumentError(f"{self._job}: the arguments do not fit: {shown(error)}")
        parameter = self._parameters[int(found["index"])]
        reason = shown(_QUOTED.sub(r"\1", found["reason"])).rstrip(".")
        if reason.endswith("got `null`"):
            reason += ", which also stands for NaN and infinity"
        place = f"{'a key of ' if found['key'] else ''}{parameter.name}{shown(found['path'])}"
        return ArgumentError(f"{self._job}: {place} does not fit {shown(shown_annotation(parameter))}: {reason}")


def _plain(value: Any) -> str:
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    raise TypeError(f"it holds an object of type {type(value).__qualname__}")


_to_json = msgspec.json.Encoder(enc_hook=_plain).encode
_from_json = msgspec.json.Decoder().decode
