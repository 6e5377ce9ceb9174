"""The SQLite store's own workings: the writer, the file, the schema."""
