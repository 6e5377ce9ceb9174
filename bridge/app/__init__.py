"""Builds the service: the only package that turns settings into objects and joins them.

``rulebook`` loads rules and canned replies, ``sending`` opens the store and all that sends, ``service`` is the running
service, and ``running`` starts its parts in order and stops them in reverse.
"""
