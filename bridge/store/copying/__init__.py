"""Moves a store from one engine to the other, with everything that is in it.

What waits in the source goes on in the target. So the source must not be started again; it is marked in case it is
(:mod:`bridge.store.repositories.recovery`). For the composition root and commands alone.
"""

from bridge.store.copying.move import Moved, move

__all__ = ["Moved", "move"]
