"""The only place where settings become objects and objects are joined.

``rulebook`` reads what people wrote, ``sending`` opens the store and all that sends, ``service`` is what runs, and
``running`` starts its parts in order and stops them in reverse.
"""
