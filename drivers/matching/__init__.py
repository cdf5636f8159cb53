"""The shared matching service, seen from a terminal."""
