"""Buttons: what a visitor wants, pressed beside the reader."""
