"""The configuration: its model, its file, families and teams, and what the database keeps of it."""
