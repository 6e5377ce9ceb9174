"""What the verbs of every domain stand on: the writer, the readers and the clock. Holds no verb itself."""

from __future__ import annotations

from bridge.ports import Clock
from bridge.store.readers import Readers
from bridge.store.writer import Writer


class Reading:
    """Verbs that only ask; all that the command line has while a service runs."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers


class Writing(Reading):
    """Verbs that change something."""

    def __init__(self, readers: Readers, writer: Writer, clock: Clock) -> None:
        super().__init__(readers)
        self._writer = writer
        self._clock = clock
