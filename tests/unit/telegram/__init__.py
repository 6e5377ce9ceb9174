"""Pure parts of the team's side."""
