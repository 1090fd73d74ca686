"""The C core, untyped: the only module that imports ``_core``. core, kernel, vm and btf.scans add the types."""

from __future__ import annotations

from ._core import ffi as ffi
from ._core import lib as lib
