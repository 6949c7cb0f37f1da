"""A table of one's own: what its columns are, and what in it may mislead."""
