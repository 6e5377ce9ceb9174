"""Commands in the chats: what a colleague orders or asks with a slash.

In reading order: ``spec`` (which commands there are), ``calls`` (what one call is, and what may come of it), ``orders``
(who may, about whom, and to whom it is handed), then the commands themselves by what they are about: ``contacts``,
``talks``, ``reading``, ``service``. ``canned`` and ``presses`` are the buttons, ``speaker`` says long answers, ``menu``
tells Telegram which commands to offer.

What a command changes is one transaction with its author and the words that confirm it (``OrderStore.carry_out``), so
it is done and answered once, whatever is killed in between. What a command only tells is not kept: it is the state of
the moment, it may quote subscribers, and whoever misses it asks again.
"""
