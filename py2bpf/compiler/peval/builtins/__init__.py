"""Python's built-in functions, and some of its library, on run-time values."""
