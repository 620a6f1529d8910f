"""The dated prices: the shipped list, the Price List API, imports, and what is in force."""
