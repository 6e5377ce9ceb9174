"""Processes a message, from the callback to the delivery report. Knows no platform and no database.

The modules, in the order in which a message uses them: ``inbox``, ``routing``, ``router``; ``effects``, ``plan``,
``guards``, ``compose``; ``outbox``, ``outcomes``, ``escalations``; ``account_channel``, ``rate_limit``,
``suspensions``; ``delivery``, ``account_watch``. ``watches`` tell the team that something expected did not happen.
``commands`` and ``dry_run`` serve the command line and the chats. ``services``, ``worker``, ``signals``, ``retry``,
``clock``, ``clockwatch``, ``reload`` and ``cluster`` are about how the loops run.
"""
