"""The SMS platforms this program can talk to.

A host of the IBA family (the same script under another name) needs no code: set the account's ``url`` and ``script``.
Another platform is one more module beside ``iba.py`` that implements :class:`bridge.ports.platform.Platform` and reads
its callbacks; it holds all facts of that platform, and the rest of the program learns none. Only the composition root
and the command line import this package.
"""
