"""The Bot API: calls and their failures, messages, and the rate limit.

``api`` makes a call, ``errors`` says what a failure means, ``sender`` changes a chat within the ``rate_limit``,
``transient_replies`` sends answers that are not stored.
"""
