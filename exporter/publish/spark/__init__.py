"""The canned reports on a Spark Connect server, over the tables of a lake.

`rewriting` turns a report's SQL into Spark's, and refuses what it does not know. `remote` sends it
to the server and returns the rows as DuckDB would.
"""
