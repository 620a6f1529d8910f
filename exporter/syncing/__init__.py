"""The sync: what to ask for, what to make of the answers, and how far is sure."""
