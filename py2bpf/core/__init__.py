"""The part of the C core that the kernel side and the embedded VM share, with types and exceptions."""
