"""The store on one SQLite file, which one process at a time may write. The default."""
