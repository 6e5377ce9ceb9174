"""The few interfaces that have two implementations or more: the clock, the platform, the store.

The store has one protocol for each of its repositories (``bridge.ports.inbox`` is implemented by
``bridge.store.repositories.inbox``, and so on), and :class:`~bridge.ports.store.Store` is all of them. Every method
that writes is one transaction: it returns after the commit, or raises and has written nothing
(:class:`~bridge.errors.CommitUnknown` excepted). Where the caller is cancelled, the work is done or not done, never
half done. One contract suite (``tests/contract``) runs over every implementation.

A part of the program that needs one repository takes its protocol; a part that needs several takes the whole store.
"""
