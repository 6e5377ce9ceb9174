"""What the verbs of every domain stand on: a writer, readers and the clock. Holds no verb itself."""

from __future__ import annotations

from typing import Protocol, TypeVar

from bridge.ports.clock import Clock
from bridge.store.transaction import Together, Unit

T = TypeVar("T")
Item = TypeVar("Item")


class Readers(Protocol):
    async def run(self, query: Unit[T]) -> T:
        """The query's result out of one snapshot. :raises StoreUnavailable: nothing can be read now."""


class Writer(Protocol):
    """Each piece of work is one transaction, alone or with others."""

    async def run(self, unit: Unit[T]) -> T:
        """The unit's result, after the commit that holds it.

        A cancelled caller finds its unit done or not done, never half.
        :raises StoreUnavailable: nothing was written (:class:`~bridge.errors.CommitUnknown`: nobody knows); a later
            call may succeed.
        :raises StoreError: the unit cannot be done.
        """

    async def run_batched(self, do: Together[Item, T], item: Item) -> T:
        """The same for work that is cheaper for many: items that wait for this very ``do`` are one call of it.

        What leaves a repair (:meth:`~bridge.store.transaction.Tx.if_caller_gone`) does not belong here.
        """


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
