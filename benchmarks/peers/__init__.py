"""The programs that people use instead, and their comparison."""
