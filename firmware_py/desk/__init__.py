"""The pages: the visitor's screen and the staff's desk, a process of its own that owns no device and asks the terminal."""
