"""Helpers that several suites share; a suite never imports from another suite."""
