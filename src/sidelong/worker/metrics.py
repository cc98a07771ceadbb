"""Takes what was counted of executions to Redis, at the pace of the heartbeat and when the worker ends."""

import asyncio
import logging

from sidelong.core.config import Config
from sidelong.core.display import shown
from sidelong.core.job_figures import JobFigures
from sidelong.errors import Refused, ReplyLost, StoreError
from sidelong.store.metrics_writer import FlushBatch, MetricsWriter
from sidelong.worker.outage import Outage
from sidelong.worker.recorder import Recorder
from sidelong.worker.stop import StopFlag

logger = logging.getLogger("sidelong.worker")

_FORBIDDEN = frozenset({"NOPERM", "ERR"})


class MetricsFlush:
    """Flushes a recorder until the worker ends, and adds what it held to the totals of this process.

    What Redis has not confirmed is sent again, under the same number, before anything else: a lost reply neither
    loses figures nor doubles them. Meanwhile the recorder goes on counting, and grows no larger for it.
    """

    def __init__(
        self,
        recorder: Recorder,
        executions: dict[str, JobFigures],
        writer: MetricsWriter,
        config: Config,
        outage: Outage,
    ) -> None:
        self._recorder = recorder
        self._executions = executions
        self._writer = writer
        self._interval = config.beat_interval
        self._outage = outage
        self._unconfirmed: list[FlushBatch] = []
        self._was_unanswered = False
        self._flushing = asyncio.Lock()
        self._told: set[str] = set()

    @property
    def is_done(self) -> bool:
        """Whether Redis has every batch, and none can still be on its way: none ever remained unanswered."""
        return not self._unconfirmed and not self._was_unanswered

    async def run(self, stop: StopFlag) -> None:
        """Flush at every beat until `stop` is set; the last flush is for `flush`, once all jobs have ended."""
        while not stop.is_set:
            await stop.sleep(self._interval)
            if not stop.is_set:
                await self.flush()

    async def flush(self) -> None:
        """Send what was counted; if Redis does not take it, it is kept for the next time."""
        async with self._flushing:
            try:
                await self._send()
                jobs, queues = self._recorder.take()
                for name, figures in jobs.items():
                    self._executions.setdefault(name, JobFigures()).add(figures)
                self._unconfirmed = self._writer.batches(jobs, queues)
                await self._send()
            except Refused as error:
                if error.code in _FORBIDDEN:
                    self._tell(f"metrics are not kept, everything else is: {error}")
                else:
                    self._outage.begins(error)
            except StoreError as error:
                self._outage.begins(error)

    async def _send(self) -> None:
        while self._unconfirmed:
            try:
                errors = await self._writer.write(self._unconfirmed[0])
            except ReplyLost:
                self._was_unanswered = True
                raise
            for error in errors:
                self._tell(f"part of the metrics was refused: {shown(error)}")
            del self._unconfirmed[0]

    def _tell(self, text: str) -> None:
        if text not in self._told and len(self._told) < 10:
            self._told.add(text)
            logger.warning("%s", text)
