"""What the store does, one module for each domain: its SQL, and the functions that run it in a transaction.

``posting``, ``alerts``, ``contacts``, ``conversations``, ``sms``, ``actions`` and ``search`` hold functions on a
transaction. Each of the other modules holds one repository, whose methods a protocol in :mod:`bridge.ports` names, and
``facade`` puts the repositories together.
"""
