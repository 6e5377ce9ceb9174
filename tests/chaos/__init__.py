"""``python -m tests.chaos``: every fault the bridge promises to survive, done to it on purpose, with a control each.

A module ``s<number>_<name>.py`` holds one fault: a function with its sizes as arguments, and ``SCENARIO`` with the full
sizes. ``tests/faults`` runs the same functions small in ``make test``.
"""
