"""Tells the team that something expected did not happen: an SMS without an answer, a platform that does not call.

Each watch is a ``step`` that :mod:`bridge.app.running` runs as a loop, on one node of a cluster.
"""
