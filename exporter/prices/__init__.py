"""Dated prices: the shipped list, the Price List API, imports, and the prices in force."""
