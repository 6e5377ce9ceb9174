"""Buttons under posts of the bot: ``kinds`` (which there are), ``dispatch`` (takes a press), ``sms`` (about one SMS).

The handlers of buttons about a conversation stand in ``commands/``, beside the command that they belong to.
"""
