"""PostgreSQL's errors in the words of the program's own error tree; no other module here names an SQLSTATE.

The server's own words are left out: they may quote values, and values are people's messages.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from bridge.errors import StoreError, StoreUnavailable
from bridge.store.transaction import SerializationConflict

NO_SCHEMA = "there is no such schema, or this user may not use it: create it, or check search_path in storage.url"
_ADVICE = {
    "3D000": "there is no such database: create it, or check storage.url",
    "3F000": NO_SCHEMA,
    "25006": "it takes no writes (a standby?): point storage.url at the primary",
    "28000": "the server does not let this user in: check storage.url and pg_hba.conf",
    "28P01": "the password is wrong or missing: check storage.url",
    "42501": "this user may not do that: grant it the schema and its tables",
    "53100": "the server's disk is full: free some space",
    "53200": "the server ran out of memory, or of locks (max_locks_per_transaction)",
    "53300": "the server has no connection left: raise max_connections, or run fewer bridges",
    "55P03": "another transaction keeps its locks too long",
    "57014": "the server took too long",
    "57P01": "the server is shutting down",
    "57P02": "the server crashed and restarts",
    "57P03": "the server is starting or shutting down",
    "57P05": "the server closed a connection that was idle",
}
_ASKED_FOR = {
    "22023": "storage.url gives a setting a value that the server does not take",
    "42704": "storage.url names a setting that the server does not know",
}
"""What comes of the words behind the question mark; nothing else here asks for a setting."""
_PASSING = ("08", "53", "57", "58", "25006", "25P03", "28", "3D000", "3F000", "42501", "55P03", "XX")
"""What is wrong with the surroundings, not with the work. All of it may pass by itself."""
_GIVEN_UP = frozenset({"40001", "40P01"})
"""The server gave up one of two transactions that were in each other's way: it is simply done again."""
_TAKEN = "23505"
"""A name (the code of a conversation) that was free when it was looked for: done again, another is found."""


def _state(error: BaseException) -> str:
    state = getattr(error, "sqlstate", None)
    return state if isinstance(state, str) else ""


def is_surroundings(error: BaseException) -> bool:
    """True where the database could not be used at all: the work itself may be perfectly good."""
    if isinstance(error, asyncpg.PostgresError):
        return _state(error).startswith(_PASSING)
    # InternalClientError: the server has just said that it ends the connection, and that was not read to its end.
    return isinstance(error, (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError, EOFError))


def is_conflict(error: BaseException) -> bool:
    return _is_overtaken(error) or _state(error) == _TAKEN


def _is_overtaken(error: BaseException) -> bool:
    return isinstance(error, SerializationConflict) or _state(error) in _GIVEN_UP


def translate(error: Exception, where: str) -> Exception:
    """The error to raise for ``error``; what is not a driver's error (a mistake in our own code) stays as it is."""
    if is_surroundings(error):
        return StoreUnavailable(f"{where}: {_words(error)}")
    if _state(error) in _ASKED_FOR:
        return StoreError(f"{where}: {_ASKED_FOR[_state(error)]} ({_state(error)})")
    if _is_overtaken(error):
        return StoreUnavailable(f"{where}: others were quicker each time")
    if isinstance(error, (asyncpg.DataError, OverflowError, UnicodeError)):
        return StoreError(f"{where}: a value cannot be stored ({type(error).__name__})")
    if isinstance(error, asyncpg.PostgresError):
        return StoreError(f"{where}: the database refused the work ({type(error).__name__}, {_state(error)})")
    return error


def _words(error: BaseException) -> str:
    state = _state(error)
    if state in _ADVICE:
        return f"{_ADVICE[state]} ({state})"
    if state.startswith("08") or isinstance(error, asyncpg.InternalClientError):
        return "the connection broke off"
    if state:
        return f"the server reports a fault ({type(error).__name__}, {state})"
    if isinstance(error, TimeoutError):
        return "the server does not answer in time"
    if isinstance(error, ConnectionRefusedError):
        return "nobody listens there: is PostgreSQL running, and is storage.url right?"
    if isinstance(error, socket.gaierror):
        return "there is no such host: check storage.url"
    if isinstance(error, asyncpg.exceptions.ClientConfigurationError):
        return "storage.url cannot be understood: check what follows the question mark"
    return f"the connection failed ({type(error).__name__})"


def commit_unknown(error: Exception, where: str) -> str:
    """The words for work whose COMMIT was tried: it may be found after all."""
    return f"{where}: {_words(error)}; whether the last changes are kept is not known"


@contextmanager
def named(where: str) -> Iterator[None]:
    """Errors of the driver become ours, and ours name the database."""
    try:
        yield
    except StoreError as error:
        if where in str(error):
            raise
        raise type(error)(f"{where}: {error}") from error
    except Exception as error:
        translated = translate(error, where)
        if translated is error:
            raise
        raise translated from error
