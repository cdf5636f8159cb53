"""Asking for a match, waiting, deciding."""
