"""Buttons under posts of the bot: ``kinds`` (which there are), ``dispatch`` (a press), ``sms`` (about one SMS).

Handlers about a conversation stand beside the command they belong to, in ``commands/``.
"""
