"""Canned reports: a catalogue of SQL files, run over a read-only connection, and rendered.

`catalogue()` lists them, `run(connection, report, request)` gives a `Result`, and
`output.write(result, style, stream)` renders one. Nothing in here writes to the database.
"""
