"""The few interfaces that have two implementations or more: the clock, the platform, the store.

The store speaks in the domain's verbs. Every verb that writes is one transaction: it returns after the commit, or
raises and has written nothing (:class:`~bridge.errors.CommitUnknown` excepted). A cancelled caller may find its work
done or not done, never half done. One contract suite (``tests/contract``) runs over every implementation.

A part of the program takes the narrow protocol it needs (``inbox``, ``sending``, ``chats``, ``desk``, ``record``),
never the whole :class:`~bridge.ports.store.Store`.
"""
