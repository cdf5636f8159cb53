"""How good the matches are, against a truth that is not the score's own formula; needs the extra `evaluation`."""
