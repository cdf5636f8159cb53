"""The rules of the door, pure: no I/O, no clock, no threads, no logging; texts and vocabulary are handed in as values."""
