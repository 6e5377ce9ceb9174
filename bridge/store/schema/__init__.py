"""The tables of the store: the schema file, and each table's columns once."""
