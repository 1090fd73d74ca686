"""Builds py2bpf._core: cffi reads api.h, the compiler reads it too, so the two can't differ."""

from __future__ import annotations

import os
import re
from pathlib import Path

from cffi import FFI

HERE = Path(__file__).resolve().parent
WARNINGS = ["-std=gnu11", "-Wall", "-Wextra"]
WANTS_SYMBOLS = "-g" in os.environ.get("CFLAGS", "").split()
STRIP = [] if WANTS_SYMBOLS else ["-Wl,--strip-debug"]  # many a Python is built with -g, and so all its extensions are


def declarations() -> str:
    """api.h with the files that it includes in their places: cffi has no preprocessor."""
    text = (HERE / "api.h").read_text(encoding="utf-8")
    return re.sub(r'^#include "(.*)"$', lambda line: (HERE / line[1]).read_text(encoding="utf-8"), text, flags=re.M)


ffibuilder = FFI()
ffibuilder.cdef(declarations())
ffibuilder.cdef('extern "Python" int p2b_vm_pause(void);')  # vm/pause.py
ffibuilder.cdef('extern "Python" void p2b_vm_memory_done(void *memory);')  # vm/native.py
ffibuilder.set_source(
    "py2bpf._core",
    '#include <stdint.h>\n#include "api.h"\n',
    sources=sorted(f"csrc/{path.relative_to(HERE)}" for path in HERE.rglob("*.c")),
    depends=sorted(f"csrc/{path.relative_to(HERE)}" for path in HERE.rglob("*.h")),
    include_dirs=["csrc"],
    extra_compile_args=[*WARNINGS, "-O2"],
    extra_link_args=STRIP,
)

if __name__ == "__main__":
    ffibuilder.compile(verbose=True)
