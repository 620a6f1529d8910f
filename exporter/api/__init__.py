"""The Python API: the commands as functions, and what they return."""
