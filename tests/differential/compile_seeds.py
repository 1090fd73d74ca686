"""Compiles random functions in a process of its own, and prints a line for each: test_equal_output.py compares them."""

from __future__ import annotations

import hashlib
import sys
import warnings

import fuzz
from compiled import Compiled
from worlds import Pool

from py2bpf.exception import TranslationError


def told(seed: int, pool: Pool) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            spec = Compiled(fuzz.generate(seed), pool, fuzz.target_of(seed, None)).spec
    except TranslationError as error:
        return repr(str(error))
    return hashlib.sha256(repr(spec).encode()).hexdigest()


with Pool("vm") as pool:
    for seed in map(int, sys.argv[1:]):
        print(seed, told(seed, pool))
