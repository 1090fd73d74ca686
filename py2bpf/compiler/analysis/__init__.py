"""Analyses of IR functions that change nothing: ranges of numbers, tests of pointers, trip counts."""
