"""A table of the user's own: what its file is, its columns, and the rows that they give."""
