"""Publishes the database's tables and views as Delta Lake tables, for other engines.

`run` decides which tables to write, and `lake` is the only module that knows Delta Lake. `run`
works on a copy of the database, so no sync waits for a slow disk.
"""
