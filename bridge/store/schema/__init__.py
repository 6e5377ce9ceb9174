"""The tables of the store: the schema file, the description of each table, and the mapping of rows to dataclasses."""
