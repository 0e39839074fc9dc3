"""What a search tries: one file a move."""
