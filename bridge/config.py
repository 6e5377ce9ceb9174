"""Typed settings: the shape of ``config.yaml``. Loading and its errors are in :func:`load`.

Key names are a contract with outside tools. Durations arrive as ``5s 10m 2h 3d`` and are kept in milliseconds; ``off``
becomes None. A key of the documented shape that this version does not have is refused with a message that says so.
"""

from __future__ import annotations

# The settings' classes. Every class is a frozen pydantic model with extra="forbid"; see the module docstring.
