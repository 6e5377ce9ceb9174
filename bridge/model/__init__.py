"""The nouns of this program and the states they may be in.

Everything here is a value: frozen, keyword-only, free of I/O. All points in time are integers of milliseconds
since 1970-01-01 UTC (:data:`~bridge.model.base.Ms`), all durations integers of milliseconds.

In the order of a message: ``inbound`` and ``contact``, ``decision`` (what rules want), ``routing`` (what is made of it,
written together), ``sms`` (what goes out, and the table of its states) and ``answers`` (what the platform said),
``post``, ``chat`` and ``desk`` (the team's side), ``alert``. ``record`` and ``fleet`` are for people who look at the
store, and for bridges that share it.
"""
