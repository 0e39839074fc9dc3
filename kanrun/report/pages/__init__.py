"""Pages to read and to show: each one HTML file that needs nothing beside it."""
