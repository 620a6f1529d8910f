"""Canned reports: a catalogue of SQL files, the running of one, and the rendering of its result.

`catalogue.find(name)` returns a report, `running.run(connection, report, request)` its result,
and `output.write(result, style, stream)` writes that result. Nothing here writes to the database.
"""
