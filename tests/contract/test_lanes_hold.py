"""Whatever is written, claimed, put back and finished in whatever order: the rules of the lanes hold."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from bridge.model.base import Ms
from bridge.model.sms import Change, Move, Priority, Sms, SmsState
from bridge.ports.store import Store
from tests import postgres
from tests.contract.builders import NOW, SetClock, moved, reply
from tests.contract.conftest import Factory

RECIPIENTS = ("A", "B")
OUTCOMES = (Move.ACCEPTED, Move.RETRY, Move.LOSE_TRACK, Move.REFUSED, Move.PARK)


class Lanes(RuleBasedStateMachine):
    """Keeps every row as the store last told it and checks each claim against the rules, written out once more."""

    def __init__(self, factory: Factory) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.directory = tempfile.TemporaryDirectory()
        self.clock = SetClock()
        self.store: Store = self.runner.run(self._open(factory))
        self.rows: dict[int, Sms] = {}
        self.now: Ms = NOW

    async def _open(self, factory: Factory) -> Store:
        return await factory(Path(self.directory.name), self.clock)

    def teardown(self) -> None:
        self.runner.run(self.store.close())
        self.runner.run(postgres.recycle(Path(self.directory.name)))
        self.runner.close()
        self.directory.cleanup()

    @rule(
        recipient=st.sampled_from(RECIPIENTS),
        priority=st.sampled_from(Priority),
        delay=st.sampled_from((0, 0, 5)),
        inserted=st.booleans(),
    )
    def write(self, recipient: str, priority: Priority, delay: Ms, inserted: bool) -> None:
        state = SmsState.SENDING if inserted else SmsState.QUEUED
        new = reply(str(len(self.rows)), recipient=recipient, priority=priority, state=state, due_at=self.now + delay)
        lane = [row for row in self.rows.values() if row.recipient == recipient]
        busy = any(
            row.state is SmsState.SENDING or (row.state is SmsState.QUEUED and row.priority <= priority) for row in lane
        )
        sms = self.runner.run(self.store.enqueue(new))
        assert sms.state is (SmsState.SENDING if inserted and not busy else SmsState.QUEUED)
        self.rows[sms.id] = sms

    @rule(limit=st.integers(min_value=1, max_value=3))
    def claim(self, limit: int) -> None:
        expected = self._claimable()
        taken = self.runner.run(self.store.claim_due("main", now=self.now, limit=limit))
        assert [sms.id for sms in taken] == expected[:limit]
        self.rows |= {sms.id: sms for sms in taken}

    def _claimable(self) -> list[int]:
        chosen: dict[str, int] = {}
        queued = [row for row in self.rows.values() if row.state is SmsState.QUEUED]
        sending = {row.recipient for row in self.rows.values() if row.state is SmsState.SENDING}
        for row in sorted(queued, key=lambda one: (one.priority, one.id)):
            ahead = any(
                one.recipient == row.recipient and one.priority == row.priority and one.id < row.id for one in queued
            )
            if row.recipient not in sending and not ahead and row.due_at <= self.now:
                chosen.setdefault(row.recipient, row.id)
        return list(chosen.values())

    @rule(move=st.sampled_from(OUTCOMES))
    def finish(self, move: Move) -> None:
        for row in [row for row in self.rows.values() if row.state is SmsState.SENDING][:1]:
            change = Change(due_at=self.now + 3)
            self.rows[row.id] = self.runner.run(moved(self.store, row, move, self.now, change))

    @rule()
    def time_passes(self) -> None:
        self.now += 4

    @invariant()
    def no_lane_sends_two(self) -> None:
        sending = [sms.recipient for sms in self.runner.run(self.store.list_sms([SmsState.SENDING], limit=99))]
        assert len(sending) == len(set(sending))


def test_lanes_keep_their_order_whatever_happens(factory: Factory) -> None:
    run_state_machine_as_test(
        lambda: Lanes(factory),  # type: ignore[arg-type]
        settings=settings(
            max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
