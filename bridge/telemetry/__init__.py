"""The log: one stream, one format, and nothing in it that must stay secret.

Our own lines carry event names, ids and masked numbers by discipline. The libraries have none: URLs with
passwords stand in the texts of their exceptions, whole requests in their debug lines. So redaction sits at
the only way out, the handler of the root logger, and covers messages, arguments, fields and tracebacks alike.

Nothing here decides what is logged. The module knows no settings: whoever configures hands in the secret
values.
"""
