"""The embedded VM: programs without the kernel, and so without privileges."""
