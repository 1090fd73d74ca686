"""The compiled part of the build; everything else is in pyproject.toml."""

import runpy
import sys
from pathlib import Path

why = runpy.run_path(str(Path(__file__).resolve().parent / "py2bpf" / "interpreters.py"))["refusal"]()
if why:
    sys.exit(why)

from setuptools import setup  # noqa: E402 - where it fails on that interpreter, the reason comes first

setup(
    cffi_modules=["csrc/build_ffi.py:ffibuilder"],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
