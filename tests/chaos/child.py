"""``python -m tests.chaos.child MODULE run|control FOLDER``: one scenario or its control, in a process of the runner.

Says how far it is and what it found in lines of JSON on stdout. Ends, with the processes it started, when it is asked
to (SIGTERM, SIGINT) and when its stdin closes, which it does however the runner ends.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import signal
import sys
import traceback
from pathlib import Path

from tests.chaos.scenario import Findings, Run, Scenario

SAID = 400
"""Characters of an error, its end above all: a service's log stands there. All of it is in the process's stderr."""


def say(what: str, value: object) -> None:
    sys.stdout.write(json.dumps({what: value}, ensure_ascii=False) + "\n")
    sys.stdout.flush()


async def work(run: Run, folder: Path) -> Findings:
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()

    def end() -> None:
        # Once: a second cancellation would cut off the cleaning up after the first.
        loop.remove_reader(sys.stdin.fileno())
        if not task.cancelling():
            task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    loop.add_reader(sys.stdin.fileno(), end)
    try:
        return await run(folder, lambda line: say("progress", line))
    finally:
        loop.remove_reader(sys.stdin.fileno())


def main() -> None:
    module, which, folder = sys.argv[1:]
    scenario: Scenario = importlib.import_module(module).SCENARIO
    run = scenario.run if which == "run" else scenario.control
    assert run is not None
    try:
        findings = asyncio.run(work(run, Path(folder)))
    except asyncio.CancelledError:
        sys.exit(130)
    except BaseException as error:
        traceback.print_exc()
        why = f"{type(error).__name__}: {error}"
        say("broke", why if len(why) <= SAID else f"{why[: SAID // 4]} … {why[-SAID:]}")
        sys.exit(1)
    say("found", {"figures": findings.figures, "violations": findings.violations})


if __name__ == "__main__":
    main()
