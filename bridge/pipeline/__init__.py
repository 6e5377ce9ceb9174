"""What happens to a message, from the callback to the delivery report. Knows no platform and no database.

In the order of a message: ``inbox``; ``router``, ``effects``, ``plan``, ``guards``, ``compose``; ``outbox``,
``outcomes``, ``escalations``; ``account_channel``, ``rate_limit``, ``suspensions``; ``delivery``, ``accounts``.
``watches`` tell the team because nothing happened. ``commands`` and ``dry_run`` serve the command line and the chats.
How loops run: ``services``, ``worker``, ``signals``, ``retry``, ``clock``, ``clockwatch``, ``reload``, ``cluster``.
"""
