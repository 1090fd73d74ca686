"""The compiled module that cffi makes from csrc/api.h; py2bpf/kernel/core.py gives its functions types."""

from typing import Any

ffi: Any
lib: Any
