"""What the store does, one module for each domain: its SQL, and the functions that run it in a transaction.

``posting``, ``alerts``, ``contacts``, ``conversations`` and ``sms`` hold functions on a transaction that several
repositories use. The other modules hold one repository each: the methods that :mod:`bridge.ports` names.
"""
