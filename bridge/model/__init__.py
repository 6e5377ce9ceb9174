"""The data of this program, and the states of a message.

All classes are value objects and enums; no module does I/O. A point in time is an integer of milliseconds since
1970-01-01 UTC (:data:`~bridge.model.base.Ms`). A duration is an integer of milliseconds.

The modules, in the order in which a message uses them: ``inbound`` and ``contact``; ``decision`` (what the rules say),
``routing`` and ``routing_outcome`` (what is written because of it); ``sms`` (what is sent, and the table of its states)
and ``answers`` (of the platform); ``post``, ``chat`` and ``actions`` (the team's side); ``alert``.

Beside them: ``record`` (facts about the store for people), ``cluster`` (nodes that share a store), ``work`` (what loops
wait for), ``base`` (the units and ids that all of them use).
"""
