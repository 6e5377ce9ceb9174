"""What the team is told because nothing happened: a question without an answer, a platform that does not call.

Each watch is a ``step`` that :mod:`bridge.app.running` runs as a loop, on one node of a cluster.
"""
