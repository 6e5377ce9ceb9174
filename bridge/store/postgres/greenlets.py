"""Lets plain functions wait for coroutines, so that the same units of work run on both engines.

A unit of work is a plain function on a :class:`~bridge.store.transaction.Tx`. SQLite runs it in a thread. PostgreSQL
runs it in a greenlet of the event loop's own thread: when the unit needs an answer from the server, the greenlet yields
until the answer is there. Other tasks run meanwhile, so a unit must not rely on memory that other tasks change.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from greenlet import getcurrent, greenlet

T = TypeVar("T")


def wait_for(answer: Awaitable[T]) -> T:
    """Wait for ``answer`` and return its result. Call it only inside a function that :func:`run` runs."""
    caller = getcurrent().parent
    assert caller is not None, "not inside of a unit of work"
    result: T = caller.switch(answer)
    return result


async def run(work: Callable[[], T]) -> T:
    """Run ``work``, which may call :func:`wait_for`, and return its result."""
    worker = greenlet(work)
    step: Any = worker.switch()
    while not worker.dead:
        try:
            answer = await step
        except BaseException:  # cancellation, too: the function must notice it
            step = worker.throw(*sys.exc_info())
        else:
            step = worker.switch(answer)
    return step  # type: ignore[no-any-return]
