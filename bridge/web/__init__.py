"""HTTP in: the callback listener, the probes, Telegram's webhook and the local admin socket."""
