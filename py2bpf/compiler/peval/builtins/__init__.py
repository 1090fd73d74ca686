"""Python's built-in functions, and some of its library, on values that only run time knows."""
