"""The sync: plans requests, merges answers, and keeps how far each scope is complete."""
