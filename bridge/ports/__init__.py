"""The interfaces between the pipeline and its adapters: the clock, the platform, the store.

The store has one protocol for each of its repositories (``bridge.ports.inbox`` is implemented by
``bridge.store.repositories.inbox``, and so on), and :class:`~bridge.ports.store.Store` joins them. Every method that
writes is one transaction: it returns after the commit, or it raises an error and has written nothing
(:class:`~bridge.errors.CommitUnknown` is the exception). If the caller is cancelled, the work is done completely or not
at all. One contract suite (``tests/contract``) runs over every implementation.

A part of the program that needs one repository takes its protocol. A part that needs several takes the whole store.
"""
