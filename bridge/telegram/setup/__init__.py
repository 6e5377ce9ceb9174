"""Checks the bot and its chats, for the doctor and at each start. ``checks`` makes the checks, ``findings`` puts the
results into words."""
