"""The data of this program and the states it may be in.

Everything here is a value object, free of I/O. All points in time are integers of milliseconds since 1970-01-01 UTC
(:data:`~bridge.model.base.Ms`), all durations integers of milliseconds.

In the order in which a message meets them: ``inbound`` and ``contact``; ``decision`` (what the rules say), ``routing``
and ``routing_outcome`` (what is written because of it); ``sms`` (what is sent, and the table of its states) and
``answers`` (of the platform); ``post``, ``chat`` and ``actions`` (the team's side); ``alert``. ``record`` is for people
who look into the store, ``cluster`` for nodes that share it.
"""
