"""Publishes the database as tables of a lake that many collectors and engines share.

`layout` describes the tables. `plan` decides, pure: who owns what, which partitions differ.
`facts` reads the database, a month at a time. `delta` is the only module that knows Delta Lake,
`storage` knows folders, buckets and credentials, and `identity` what the database keeps. `run`
puts them together, over a copy of the database, so that no sync waits.

Replacing is by state: a partition that differs is replaced whole, and a repeat changes nothing. A
publish that was killed is repaired by the next one, from what its commits say.
"""
