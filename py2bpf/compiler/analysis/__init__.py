"""What can be known of a function in IR without changing it: ranges of numbers, tests of pointers, trip counts."""
