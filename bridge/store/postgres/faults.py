"""Translates PostgreSQL's errors into the program's own. Only this module of the store names SQLSTATE codes.

Omits the server's messages, since they may quote values such as the text of an SMS.
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
    "53300": "the server has no connection left: raise max_connections, or run fewer nodes",
    "55P03": "another transaction keeps its locks too long",
    "57014": "the server took too long",
    "57P01": "the server is shutting down",
    "57P02": "the server crashed and restarts",
    "57P03": "the server is starting or shutting down",
    "57P05": "the server closed a connection that was idle",
}
_WRONG_SETTINGS = {
    "22023": "storage.url gives a setting a value that the server does not take",
    "42704": "storage.url names a setting that the server does not know",
}
"""Errors of the settings after the question mark of the URL. They mean nothing else, since no statement of the program
changes a setting to a wrong value."""
_TRANSIENT = ("08", "53", "57", "58", "25006", "25P03", "28", "3D000", "3F000", "42501", "55P03", "XX")
"""Prefixes of SQLSTATE codes whose cause is the environment, not the work. Each such fault may pass by itself."""
_CONFLICTS = frozenset({"40001", "40P01"})
"""The server gave up one of two transactions that conflict. That transaction runs again."""
_NOT_UNIQUE = "23505"
"""A unique value (the code of a conversation) was free when the unit looked, and is taken now. When the unit runs again
it finds another value."""


def _state(error: BaseException) -> str:
    state = getattr(error, "sqlstate", None)
    return state if isinstance(state, str) else ""


def is_environment_fault(error: BaseException) -> bool:
    """Whether the environment is at fault: the database could not be used, and the work itself may be good."""
    if isinstance(error, asyncpg.PostgresError):
        return _state(error).startswith(_TRANSIENT)
    # InternalClientError: the server is ending the connection, and the driver read only a part of that message.
    return isinstance(error, (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError, EOFError))


def is_conflict(error: BaseException) -> bool:
    """Whether another transaction was in the way, so that the unit may run again."""
    return _is_serialization_failure(error) or _state(error) == _NOT_UNIQUE


def _is_serialization_failure(error: BaseException) -> bool:
    return isinstance(error, SerializationConflict) or _state(error) in _CONFLICTS


def translate(error: Exception, where: str) -> Exception:
    """The program's error for an error of the driver. Any other error, which is a mistake of our own, is returned
    unchanged."""
    if is_environment_fault(error):
        return StoreUnavailable(f"{where}: {_describe(error)}")
    if _state(error) in _WRONG_SETTINGS:
        return StoreError(f"{where}: {_WRONG_SETTINGS[_state(error)]} ({_state(error)})")
    if _is_serialization_failure(error):
        return StoreUnavailable(f"{where}: others were quicker each time")
    if isinstance(error, (asyncpg.DataError, OverflowError, UnicodeError)):
        return StoreError(f"{where}: a value cannot be stored ({type(error).__name__})")
    if isinstance(error, asyncpg.PostgresError):
        return StoreError(f"{where}: the database refused the work ({type(error).__name__}, {_state(error)})")
    return error


def _describe(error: BaseException) -> str:
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
    """The message for work whose COMMIT failed, but which the server may have committed."""
    return f"{where}: {_describe(error)}; whether the last changes are kept is not known"


@contextmanager
def named(where: str) -> Iterator[None]:
    """Translate errors of the driver, and put ``where`` (the masked URL) into the message of every error."""
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
