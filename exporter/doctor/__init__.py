"""`doctor`: checks everything that a sync needs, one finding each, with what to do about it."""
