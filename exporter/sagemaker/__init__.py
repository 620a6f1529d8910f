"""Calls AWS: sessions, pacing, retries, the server's clock; typed rows come out."""
