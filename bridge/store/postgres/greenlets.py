"""Lets plain functions wait for coroutines, so that one text of the domain's work serves both engines.

A unit of work is written once, as a plain function on a :class:`~bridge.store.transaction.Tx`. SQLite runs it in a
thread. Here it runs in a greenlet of the event loop's own thread: where it needs an answer of the server, it steps
aside until that has come. Other tasks run meanwhile; the unit must hold nothing that they could change.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from greenlet import getcurrent, greenlet

T = TypeVar("T")


def wait_for(answer: Awaitable[T]) -> T:
    """The answer, within a function that :func:`run` runs."""
    caller = getcurrent().parent
    assert caller is not None, "not within a unit of work"
    result: T = caller.switch(answer)
    return result


async def run(work: Callable[[], T]) -> T:
    """The result of ``work``, which may call :func:`wait_for`."""
    aside = greenlet(work)
    step: Any = aside.switch()
    while not aside.dead:
        try:
            answer = await step
        except BaseException:  # cancellation too: the function is where it has to be noticed
            step = aside.throw(*sys.exc_info())
        else:
            step = aside.switch(answer)
    return step  # type: ignore[no-any-return]
