"""Lets plain functions wait for coroutines, so that the same units of work run on both engines.

A unit of work is a plain function on a :class:`~bridge.store.transaction.Tx`. SQLite runs it in a thread. Here it runs
in a greenlet of the event loop's own thread: when it needs an answer of the server, it yields until the answer has
come. Other tasks run in between, so a unit must not rely on anything in memory that they change.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from greenlet import getcurrent, greenlet

T = TypeVar("T")


def wait_for(answer: Awaitable[T]) -> T:
    """The result of ``answer``. To be called inside of a function that :func:`run` runs."""
    caller = getcurrent().parent
    assert caller is not None, "not inside of a unit of work"
    result: T = caller.switch(answer)
    return result


async def run(work: Callable[[], T]) -> T:
    """The result of ``work``, which may call :func:`wait_for`."""
    worker = greenlet(work)
    step: Any = worker.switch()
    while not worker.dead:
        try:
            answer = await step
        except BaseException:  # also cancellation: the function has to notice it
            step = worker.throw(*sys.exc_info())
        else:
            step = worker.switch(answer)
    return step  # type: ignore[no-any-return]
