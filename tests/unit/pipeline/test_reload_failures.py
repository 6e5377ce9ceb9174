"""Rules are loaded whatever the store does; what the team must know of it is told when the store is back."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.errors import StoreUnavailable
from bridge.model.base import ADMIN_CHAT
from bridge.pipeline.reload import Reloader, signature
from bridge.rules import RuleContext, RuleSet, load_rules
from tests.contract.builders import text_of
from tests.unit.pipeline.sender import Sender, sender

GOOD = "rules: [{name: everything, forward: support}]\n"
CONTEXT = RuleContext(chats=frozenset({"support"}))


def reloader(around: Sender, folder: Path) -> Reloader:
    def load() -> RuleSet:
        return load_rules(folder, CONTEXT)

    (folder / "rules.yaml").write_text(GOOD, "utf-8")
    return Reloader(
        rules=load(),
        seen=signature(folder),
        load=load,
        folder=folder,
        config=folder / "config.yaml",
        services=around.services,
    )


async def told(around: Sender) -> list[str]:
    posts = await around.store.claim_posts([ADMIN_CHAT], now=around.clock.now(), limit=9)
    return [text_of(post) for post in posts]


async def test_good_rules_are_in_force_while_the_store_is_away_and_the_all_clear_follows(tmp_path: Path) -> None:
    folder = tmp_path / "rules"
    folder.mkdir()
    async with sender(tmp_path) as around:
        each = reloader(around, folder)
        (folder / "rules.yaml").write_text("rules: [{name: bad}]\n", "utf-8")
        assert (await each.reload()).problems
        assert await told(around) == ["alert.rules_refused"]
        with around.away():
            (folder / "rules.yaml").write_text(GOOD + "# better\n", "utf-8")
            done = await each.reload()
            assert (done.changed, done.problems, each.rules.version) == (True, (), done.version)
            with pytest.raises(StoreUnavailable):
                await each.step()
        await each.step()
        assert await told(around) == ["alert.rules_refused", "alert.rules_loaded"]


async def test_a_fault_of_ours_in_loading_leaves_the_rules_in_force(tmp_path: Path) -> None:
    folder = tmp_path / "rules"
    folder.mkdir()
    async with sender(tmp_path) as around:
        each = reloader(around, folder)
        first = each.rules
        (folder / "config.yaml").write_text("", "utf-8")

        def breaks() -> RuleSet:
            raise RecursionError

        broken = Reloader(
            rules=first,
            seen=signature(folder),
            load=breaks,
            folder=folder,
            config=folder / "config.yaml",
            services=around.services,
        )
        done = await broken.reload()
        assert "RecursionError" in done.problems[0].message
        assert broken.rules is first
