"""The team's side: the real library, the real store, the simulated Bot API over HTTP."""
