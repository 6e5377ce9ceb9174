"""The operations of the store. Each module has the SQL of one domain, and the functions that run it in a transaction.

``posting``, ``alerts``, ``contacts``, ``conversations``, ``sms``, ``actions`` and ``search`` have functions on a
transaction. Each of the other modules has one repository, which implements a protocol of :mod:`bridge.ports`.
``facade`` combines the repositories into one class.
"""
