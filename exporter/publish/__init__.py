"""Publishing: the database's tables and views as Delta Lake tables, for other engines.

`run.publish` copies the database aside, so that no sync waits for a slow disk, compares each
table with what was published last, and replaces those that differ; `lake` is the one module that
knows Delta Lake.
"""
