"""The pure parts of telegram/."""
