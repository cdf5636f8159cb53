"""Lights of the zones and of the reader."""
