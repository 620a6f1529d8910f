"""Keeps: the schema, opening and locking the file, upserts of sets, views as data."""
