"""The C core with types and exceptions, as far as the kernel side and the embedded VM share it."""
