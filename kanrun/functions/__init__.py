"""Text and functions: the library, the parser that never evaluates, and numbers from expressions."""
