"""Traces by OpenTelemetry: a span for each enqueuing and one for each execution, linked across processes.

Needs the extra `otel`: `app.use(Tracing())`, after other middleware was added, so that spans cover that as well.
"""

import asyncio
from typing import Any, Final

from sidelong.app import Sidelong
from sidelong.core import payload
from sidelong.core.context import running_context
from sidelong.core.display import shown
from sidelong.core.middleware import CallNext
from sidelong.core.outcome import Discard, RetryIn
from sidelong.errors import ConfigurationError

try:
    from opentelemetry.context import Context
    from opentelemetry.trace import (
        Link,
        Span,
        SpanKind,
        Status,
        StatusCode,
        TracerProvider,
        get_current_span,
        get_tracer,
        use_span,
    )
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
except ImportError:
    raise ConfigurationError("tracing needs the extra 'otel': pip install 'sidelong[otel]'") from None

_FIELDS: Final = ("traceparent", "tracestate")
"""Keys of the payload, as W3C names them; OpenTelemetry for Ruby's Sidekiq writes the same."""


class Tracing:
    """Client and server middleware that make spans.

    The span of an enqueuing is a child of whatever is under way there, and its `traceparent` travels in the payload.
    An execution begins a trace of its own, with a link to that span: so retries hours later, and a thousand jobs of one
    request, do not make one endless trace. What a job enqueues belongs to its execution.

    Args:
        tracer_provider: makes the spans; the global one if not given.
    """

    def __init__(self, tracer_provider: TracerProvider | None = None) -> None:
        self._tracer = get_tracer("sidelong", tracer_provider=tracer_provider)
        self._propagator = TraceContextTextMapPropagator()

    def install(self, app: Sidelong) -> None:
        """Let all pushes and executions of an application make spans, outside of its other middleware."""
        app.client_middleware.prepend(self.enqueue)
        app.server_middleware.prepend(self.perform)

    async def enqueue(self, job: dict[str, Any], call_next: CallNext) -> Any:
        """Make the span of an enqueuing; a job that has one, such as a retry that is due, keeps it."""
        if _FIELDS[0] in job:
            return await call_next()
        name = shown(payload.job_class(job))
        with self._tracer.start_as_current_span(
            f"enqueue {name}", kind=SpanKind.PRODUCER, attributes=_attributes(job, name, job.get("queue"), "send")
        ):
            self._propagator.inject(job)
            return await call_next()

    async def perform(self, job: dict[str, Any], call_next: CallNext) -> Any:
        """Make the span of an execution."""
        context = running_context()
        name = shown(payload.job_class(job))
        attributes = _attributes(job, name, context.queue if context else job.get("queue"), "process")
        if context is not None:
            attributes["sidelong.job.attempt"] = context.attempt
        span = self._tracer.start_span(
            f"perform {name}",
            # Of its own: whatever surrounded the start of the worker is no part of it.
            context=Context(),
            kind=SpanKind.CONSUMER,
            attributes=attributes,
            links=self._links(job),
        )
        # What it raised is told below, where decisions of the job are no errors.
        with use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            try:
                return await call_next()
            except BaseException as error:
                _tell(span, error)
                raise

    def _links(self, job: dict[str, Any]) -> list[Link]:
        carrier = {name: job[name] for name in _FIELDS if type(job.get(name)) is str}
        origin = get_current_span(self._propagator.extract(carrier, Context())).get_span_context()
        return [Link(origin)] if origin.is_valid else []


def _attributes(job: dict[str, Any], name: str, queue: Any, operation: str) -> dict[str, str | int]:
    return {
        "messaging.system": "sidelong",
        "messaging.operation.type": operation,
        "messaging.destination.name": shown(queue),
        "messaging.message.id": shown(job.get("jid")),
        "sidelong.job.class": name,
    }


def _tell(span: Span, error: BaseException) -> None:
    if isinstance(error, asyncio.CancelledError):
        span.set_attribute("sidelong.job.cancelled", True)
    elif isinstance(error, Discard | RetryIn):
        span.set_attribute("sidelong.job.decision", type(error).__name__)
    else:
        span.record_exception(error)
        span.set_status(Status(StatusCode.ERROR, payload.error_class(error)))
