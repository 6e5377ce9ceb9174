"""``python -m tests.chaos.forker [SABOTAGE]``: has the program imported and forks it off for every line on stdin.

A line is JSON: the arguments of ``sms-bridge`` and the file for its stderr. Answers ``{"pid": …}`` to each, in their
order, and ``{"ended": pid, "code": …}`` when one has ended. Ends with its stdin, and so do those it forked off. One
thread, so that a fork is safe.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import selectors
import signal
import sys
import traceback
from typing import NoReturn

import bridge.app.running
import bridge.cli.run
import bridge.telegram.service
from bridge.cli import main

__all__ = ["bridge"]  # imported for what it costs


def serve() -> None:
    for name in sys.argv[1:]:
        importlib.import_module(f"tests.chaos.sabotage.{name}").apply()
    gc.freeze()
    waiting = selectors.DefaultSelector()
    waiting.register(0, selectors.EVENT_READ)
    buffer = b""
    while True:
        for key, _ in waiting.select():
            if key.data is not None:
                waiting.unregister(key.fd)
                os.close(key.fd)
                _, status = os.waitpid(key.data, 0)
                say({"ended": key.data, "code": os.waitstatus_to_exitcode(status)})
                continue
            read = os.read(0, 65536)
            if not read:
                for left in waiting.get_map().values():
                    if left.data is not None:
                        os.kill(left.data, signal.SIGKILL)
                return
            *orders, buffer = (buffer + read).split(b"\n")
            for order in orders:
                pid = forked(json.loads(order))
                waiting.register(os.pidfd_open(pid), selectors.EVENT_READ, pid)
                say({"pid": pid})


def say(what: dict[str, int]) -> None:
    os.write(1, json.dumps(what).encode() + b"\n")


def forked(order: dict[str, object]) -> int:
    pid = os.fork()
    if pid == 0:
        become(order)
    return pid


def become(order: dict[str, object]) -> NoReturn:
    """Be the command, as if it had just been started; never come back."""
    code: object = 1
    try:
        nothing = os.open(os.devnull, os.O_RDWR)
        log = os.open(str(order["log"]), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        for source, target in ((nothing, 0), (nothing, 1), (log, 2)):
            os.dup2(source, target)
        main(order["arguments"], prog_name="sms-bridge")
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 0 if code is None else 1)


if __name__ == "__main__":
    serve()
