"""Sounders: one sound for each answer."""
