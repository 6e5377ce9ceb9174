"""Commands in the chats: what operators change or ask with a slash.

In reading order: ``spec`` (which commands there are), ``call`` (one call, and its possible answers), ``dispatch`` (who
may give it, which conversation it is about, which handler it goes to), then the handlers by their subject, each module
with the buttons under its answers: ``conversations``, ``contacts``, ``canned``, ``lookup``, ``search``, ``system``.
``menu`` tells Telegram which commands to offer.

A command that changes something writes the change, its author and its answer in one transaction
(``OperatorContext.act``). So it is done once and answered once, even if the process is killed in between.

An answer that only shows something is not stored: it shows the state of the moment, it may quote subscribers, and an
operator who misses it asks again.
"""
