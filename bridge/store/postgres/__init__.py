"""The store on PostgreSQL, for several bridges that share the work. Needs the extra ``postgres``."""
