"""The store on PostgreSQL, which several nodes may share. Needs the extra ``postgres``."""
