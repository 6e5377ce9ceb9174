"""Checks of the bot and its chats, for the doctor and at each start: ``checks`` makes them, ``findings`` says what they
found."""
