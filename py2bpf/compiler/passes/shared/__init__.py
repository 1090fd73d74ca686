"""Functions that several passes share: how loops are planned, entered and left, and how packet loads become calls."""
