"""The log: one stream, one format, and no secrets in it.

Our own lines contain event names, ids and masked numbers. The lines of libraries contain more: the texts of their
exceptions have URLs with passwords, and their debug lines have whole requests. So the handler of the root logger,
through which every line passes, redacts messages, arguments, fields and tracebacks.

This package does not decide what is logged. It knows no settings; the caller of ``configure`` passes the secrets in.
"""
