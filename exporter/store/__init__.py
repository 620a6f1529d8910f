"""Keeps the data: the schema, opening and locking the file, upserts, views, check and backup."""
