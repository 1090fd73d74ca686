"""BTF, the kernel's description of its own types."""

from .reader import Btf, BtfError
from .types import Kind

__all__ = ["Btf", "BtfError", "Kind"]
