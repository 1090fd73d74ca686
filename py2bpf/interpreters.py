"""Which builds of CPython py2bpf runs on. setup.py runs this file by itself, so it imports nothing of the package."""

from __future__ import annotations

import sys


def refusal() -> str | None:
    """Why the running interpreter can't run py2bpf, and what to do; None if it can.

    A free-threaded build is refused even if PYTHON_GIL=1 switches its GIL on, since it can't load abi3 extensions.
    """
    if "t" not in sys.abiflags:
        return None
    return (f"py2bpf doesn't run on free-threaded CPython, which {sys.executable} is: what its threads share relies on "
            "the GIL, and its C core has the stable ABI (abi3), which free-threaded builds can't load. Use the "
            "ordinary build: python3.14 instead of python3.14t, say")  # fmt: skip
