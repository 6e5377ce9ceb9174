"""A store moved from one engine to the other: everything that is in it, as it is.

What waits in the source goes on in the target; so the source must not be started again, and is marked for the case that
it is (:mod:`bridge.store.repositories.recovery`). For the composition root and commands alone.
"""

from bridge.store.copying.move import Moved, move

__all__ = ["Moved", "move"]
