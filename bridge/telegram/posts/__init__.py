"""Shows in the chats the posts that wait in the store.

In reading order: ``poster`` (when a post is published, and what happens after a failure), ``publisher`` (publishes a
post of any kind), ``post_sender`` and ``topics`` (where its messages go), ``status`` (the state of an SMS, on the
operator's message), ``history`` (what a message says about earlier SMS), then the pure modules that make the messages:
``inbound`` and ``render``.
"""
