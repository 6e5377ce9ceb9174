"""Builds the service. This is the only package that turns the service's settings into objects and connects them.

``rulebook`` loads rules and canned replies. ``sending`` opens the store and the parts that send. ``service`` is the
running service. ``running`` starts its parts in order and stops them in reverse.
"""
