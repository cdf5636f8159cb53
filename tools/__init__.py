"""What developers run and terminals do not."""
