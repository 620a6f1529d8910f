"""Asks AWS: sessions, pace, retries, the server's clock; typed rows come out."""
