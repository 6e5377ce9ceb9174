"""Moves a store from one engine to the other, with everything that is in it.

The target goes on with the work that waits in the source. So no bridge may start on the source again. The source is
marked as a copy in case one does (:mod:`bridge.store.repositories.recovery`). Only the composition root and the
commands import this package.
"""

from bridge.store.copying.move import Moved, move

__all__ = ["Moved", "move"]
