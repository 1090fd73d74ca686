"""BTF, the kernel's description of its own types. ``kernel`` gives programs these types: ``kernel.sock(address)``."""

from .reader import Btf, BtfError
from .shapes import KernelType, KernelTypes, kernel
from .types import Kind

__all__ = ["Btf", "BtfError", "KernelType", "KernelTypes", "Kind", "kernel"]
