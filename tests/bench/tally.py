"""The far side's record of each message, by its position in the wave. Times are seconds of the monotonic clock."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Sequence

from tests.bench.load import FIRST_SMSID, answer_marks, subscriber


class Tally:
    """The record of one wave. Filled by the crowd (callbacks) and the gateway (replies) from one loop."""

    def __init__(self, messages: Sequence[int], keywords: int) -> None:
        count = len(messages)
        self.count = count
        self.due = array("d", bytes(8 * count))
        """When the callback's first byte left; in a paced wave: when it should have left."""
        self.acked = array("d", bytes(8 * count))
        self.replied = array("d", bytes(8 * count))
        self.late = array("d")
        """How late the generator itself was with messages for which it had a free connection."""
        marks = answer_marks(keywords)
        self.smsids = [b"smsid=%d" % (FIRST_SMSID + message) for message in messages]
        self.places = {b"%d" % subscriber(message): place for place, message in enumerate(messages)}
        self.marks = [marks[message % keywords] for message in messages]
        self.unanswered = 0
        """Callbacks that got no id: the platform would bring them again."""
        self.doubled = 0
        self.strange = 0
        """Sends to nobody of this wave, with a wrong text, or that are no send at all."""
        self.done = asyncio.Event()
        self._open = 2 * count

    def ended(self) -> None:
        """One acknowledgement or one reply less to wait for."""
        self._open -= 1
        if not self._open:
            self.done.set()


def milliseconds(since: Sequence[float], until: Sequence[float]) -> list[float]:
    """The sorted latencies of what has both ends."""
    return sorted((end - begin) * 1000 for begin, end in zip(since, until, strict=True) if end)


def quantile(ordered: Sequence[float], part: float) -> float:
    """0 without values."""
    return ordered[min(int(len(ordered) * part), len(ordered) - 1)] if ordered else 0.0
