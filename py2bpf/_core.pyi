"""The compiled module that cffi makes from csrc/api.h; py2bpf/_ffi.py imports it, and two modules named core give its
functions types."""

from typing import Any

ffi: Any
lib: Any
