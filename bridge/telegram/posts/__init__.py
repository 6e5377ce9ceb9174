"""What the bot writes by itself: the posts that wait in the store.

In reading order: ``poster`` (when a post is published, and what becomes of a failure), ``publisher`` (one post of each
kind), ``post_sender`` and ``topics`` (where its messages go), ``status`` (the state of an SMS, on the reply),
``history`` (what is said about earlier SMS), then the pure modules that make the messages: ``inbound`` and ``render``.
"""
