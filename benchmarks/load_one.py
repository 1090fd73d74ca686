"""Does what a user's script does at its start: imports, compiles and loads one program, and ends. For bench_compile.py.

python benchmarks/load_one.py PROGRAM
"""

import sys
from importlib import import_module

if __name__ == "__main__":
    import_module(f"programs.{sys.argv[1]}").make()
