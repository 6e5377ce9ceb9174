"""The SMS platforms that this program can talk to.

A host of the IBA family (the same script under another name) needs no code: set ``url`` and ``script`` of the account.
Another platform is one more module beside ``iba.py``. It implements :class:`bridge.ports.platform.Platform`, reads the
callbacks, and holds all facts of that platform. Only the composition root and the command line import this package.
"""
