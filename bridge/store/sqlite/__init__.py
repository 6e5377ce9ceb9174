"""The store on one SQLite file, which belongs to one bridge at a time. The default."""
