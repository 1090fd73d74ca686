"""The compiled module that cffi makes from csrc/api.h. py2bpf/_ffi.py imports it, and those who call its functions give
them types."""

from typing import Any

ffi: Any
lib: Any
