"""The Bot API, and nothing of SMS: calls and their failures, messages, and the rate limit.

``api`` makes a call, ``errors`` says what a failure means, ``sender`` changes a chat within the ``rate_limit``.
"""
