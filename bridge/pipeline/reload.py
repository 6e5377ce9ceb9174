"""New rules while the service runs: all that can fail first, beside the loop; then one swap, or the old ones stay.

The folder is looked at once a second rather than watched: a watch on a folder is lost when the folder is replaced (a
deploy that swaps a link), and does not exist on network file systems and on some mounts of containers. What is looked
at are names, sizes, times and inodes, so an editor's rename is seen as well as a write. A change counts when two looks
in a row saw the same: editors and copies write several times.

Whoever decides by rules asks :attr:`Reloader.rules` once for each piece of work and finishes it by what it got.
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

import structlog

from bridge.errors import ConfigError, Problem, StoreUnavailable
from bridge.model.alert import Alert
from bridge.model.base import SECOND, Json, Ms
from bridge.pipeline.services import Services
from bridge.pipeline.signals import Signal
from bridge.rules import RuleSet
from bridge.schema import shown
from bridge.telemetry.lines import frames
from bridge.value import value_object

log = structlog.get_logger()

LOOK: Ms = SECOND
"""Between two looks at the folder. A change is in force after two of them at the latest, and the time of loading."""
TURN_SECONDS = 0.0005
"""How long the loading thread may compute while the loop wants to: with Python's 5 ms callbacks are answered five times
later while 10,000 rules are loaded, for a load that is no shorter."""
ALERT = "rules"
NO_RULES_LEFT = "no rules are left; to work without any, restart"
"""Files that are being replaced, or were deleted by mistake, look like that; nobody would be answered from then on."""
_LOGGED = 20
"""Mistakes of one set that the log names one by one."""
_LONGEST_MESSAGE = 300
"""Characters of a mistake in the admin chat; ``check`` shows all of it."""

Signature: TypeAlias = tuple[tuple[str, int, int, int], ...]
"""Name, inode, size and time of change of everything in a folder."""


def signature(folder: Path) -> Signature:
    """What differs when any file of the folder was written, made, renamed or deleted. Links are followed.

    Empty where the folder cannot be read: loading will say why.
    """
    found: list[tuple[str, int, int, int]] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    seen = entry.stat()
                except OSError:  # deleted meanwhile, or a link to nothing
                    continue
                found.append((entry.name, seen.st_ino, seen.st_size, seen.st_mtime_ns))
    except OSError:
        return ()
    return tuple(sorted(found))


def fingerprint(file: Path) -> str:
    """Of a file's content; empty where it cannot be read."""
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        return ""


@value_object
class Reloaded:
    """What came of an order to load the rules anew."""

    version: str
    """Of the rules that are in force now."""
    changed: bool
    rules: int
    problems: tuple[Problem, ...] = ()
    """Why the old ones stay; empty where they were loaded."""
    warnings: tuple[Problem, ...] = ()


class Reloader:
    """Holds the rules in force."""

    def __init__(
        self,
        *,
        rules: RuleSet,
        seen: Signature,
        load: Callable[[], RuleSet],
        folder: Path,
        config: Path,
        services: Services,
    ) -> None:
        """``seen``: the folder's signature from before ``rules`` were read, so that no change falls between."""
        self.rules = rules
        self.asked = Signal()
        """Wakes the loop for :meth:`ask`."""
        self.announce: Callable[[], None] = lambda: None
        """Called at each order: other bridges are to load theirs as well."""
        self._load = load
        self._folder = folder
        self._config = config
        self._store = services.store
        self._signals = services.signals
        self._clock = services.clock
        self._loaded: Signature = seen
        self._changing: Signature | None = None
        self._config_was = fingerprint(config)
        self._order = False
        # The set that this run begins with is a good one: a complaint of the last run is over.
        self._owed: tuple[Problem, ...] | None = ()
        """What the team is still to be told: mistakes, the all-clear (none), or nothing."""
        self._busy = asyncio.Lock()

    def ask(self) -> None:
        """Load anew soon, changed or not: for SIGHUP. Also says so if ``config.yaml`` changed, which is not loaded."""
        self.announce()
        self.follow()

    def follow(self) -> None:
        """The same, ordered at another bridge."""
        self._order = True
        self.asked.set()

    async def step(self) -> Ms:
        await self._look()
        await self._tell()
        return LOOK

    async def _look(self) -> None:
        if self._order:
            self._order = False
            await self._look_at_configuration()
            await self._load_anew()
            return
        seen = await asyncio.to_thread(signature, self._folder)
        if seen == self._loaded:
            self._changing = None
        elif seen != self._changing:
            self._changing = seen
        else:
            await self._load_anew()

    async def reload(self) -> Reloaded:
        """Load the files as they are now; a set with any mistake or failing test leaves the old one in force."""
        self.announce()
        return await self._load_anew()

    async def _load_anew(self) -> Reloaded:
        async with self._busy:
            self._loaded = await asyncio.to_thread(signature, self._folder)
            self._changing = None
            began = self._clock.monotonic()
            loaded = await asyncio.to_thread(undisturbing, self._load, self._folder)
            if isinstance(loaded, RuleSet) and self.rules.rules and not loaded.rules:
                loaded = (Problem(file=shown(self._folder), line=1, column=1, path="", message=NO_RULES_LEFT),)
            if isinstance(loaded, RuleSet):
                done = self._swap(loaded, self._clock.monotonic() - began)
            else:
                done = self._refuse(loaded)
            self._owed = done.problems
            with suppress(StoreUnavailable):  # it is told as soon as the store is back
                await self._tell()
            return done

    def _swap(self, new: RuleSet, took: Ms) -> Reloaded:
        old, self.rules = self.rules, new
        changed = new.version != old.version
        count = len(new.rules)
        log.info("rules_loaded", version=new.version, previous=old.version, rules=count, ms=took)
        for warning in new.warnings[:_LOGGED] if changed else ():
            log.warning("rules_warning", place=str(warning))
        return Reloaded(version=new.version, changed=changed, rules=count, warnings=new.warnings)

    def _refuse(self, problems: tuple[Problem, ...]) -> Reloaded:
        log.error("rules_refused", mistakes=len(problems), in_force=self.rules.version)
        for problem in problems[:_LOGGED]:
            log.error("rules_mistake", place=str(problem))
        return Reloaded(version=self.rules.version, changed=False, rules=len(self.rules.rules), problems=problems)

    async def _tell(self) -> None:
        """:raises StoreUnavailable: it is still owed."""
        owed = self._owed
        if owed is None:
            return
        if owed:
            written = await self._store.raise_alert(complaint(owed), self._clock.now())
        else:
            params: dict[str, str | int | float] = {"version": self.rules.version}
            written = await self._store.clear_alert(ALERT, "alert.rules_loaded", params, self._clock.now())
        if self._owed is owed:  # a reload meanwhile may owe something else
            self._owed = None
        if written:
            self._signals.posts.set()

    async def _look_at_configuration(self) -> None:
        now = await asyncio.to_thread(fingerprint, self._config)
        if now != self._config_was:
            log.warning("config_not_reloaded", file=str(self._config), reason="only rules are; restart to use it")


def complaint(problems: tuple[Problem, ...]) -> Alert:
    """The first mistake with its place, and how many there are."""
    first = problems[0]
    message = first.message
    params: dict[str, Json] = {
        "place": f"{first.file}:{first.line}:{first.column}",
        "message": message if len(message) <= _LONGEST_MESSAGE else message[: _LONGEST_MESSAGE - 1] + "…",
        "count": len(problems),
    }
    return Alert(key=ALERT, text="alert.rules_refused", params=params)


def undisturbing(load: Callable[[], RuleSet], folder: Path) -> RuleSet | tuple[Problem, ...]:
    """Load in a thread of its own: the rules, or what is wrong with them. Never raises.

    The loop has its turns meanwhile, and short ones of ours between them. What would hold it up is the garbage
    collector, which looks through all the new objects again and again while they are made: so it rests, and passes
    over them later. Nothing is lost by that: rules hold no cycles, so those that are replaced are freed at once.
    """
    turn = sys.getswitchinterval()
    sys.setswitchinterval(TURN_SECONDS)
    gc.disable()
    try:
        return load()
    except ConfigError as error:
        return error.problems
    except Exception as error:  # a fault of ours in a strange file must not end what works
        log.error("rules_failed", error_class=type(error).__name__, trace=frames(error))
        message = f"internal error ({type(error).__name__}); please report it with the file that brings it about"
        return (Problem(file=shown(folder), line=1, column=1, path="", message=message),)
    finally:
        gc.freeze()
        gc.enable()
        sys.setswitchinterval(turn)
