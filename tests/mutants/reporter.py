"""The part of a trial that pytest runs: selects the tests, and reports each test's outcome as a line of JSON."""

from __future__ import annotations

import ctypes
import json
import os
import re
from collections.abc import Iterator, Mapping
from cProfile import Profile
from types import CodeType
from typing import Any, Final

import pytest
from mutant import ROOT

LEFT_OUT: Final = ("slow", "vm", "qemu")
"""Marks of tests that take minutes, or other kernels."""

_PACKAGE: Final = f"{ROOT}/py2bpf/"


class Reporter:
    """``wanted`` gives the tests to run their order; None: all but what the pattern ``without`` finds.
    ``in_vm``: those of the kernel run, in the VM."""

    def __init__(self, pipe: int, wanted: Mapping[str, int] | None, in_vm: bool, without: str = "$^") -> None:
        self.pipe = pipe
        self.wanted = wanted
        self.without = without
        self.in_vm = in_vm

    def tell(self, **what: object) -> None:
        os.write(self.pipe, json.dumps(what).encode() + b"\n")

    def pytest_plugin_registered(self, plugin: Any) -> None:
        if self.in_vm and hasattr(plugin, "kernel_obstacle"):  # tests/conftest.py asks it whether to skip
            plugin.kernel_obstacle = lambda: ""

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        wanted = self.wanted
        if wanted is None:
            items[:] = [item for item in items if not self._left_out(item)]
        else:
            items[:] = sorted((i for i in items if i.nodeid in wanted), key=lambda item: wanted[item.nodeid])
        self.tell(collected=len(items))

    def _left_out(self, item: pytest.Item) -> bool:
        return any(map(item.get_closest_marker, LEFT_OUT)) or re.search(self.without, item.nodeid) is not None

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.tell(failed=f"collecting {report.nodeid}")

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.tell(at=nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.tell(failed=report.nodeid)
        elif report.when == "call" and report.passed:
            self.tell(passed=report.nodeid, seconds=round(report.duration, 4))


class Recorder(Reporter):
    """Also reports which of our functions each test calls, and which are called outside of tests."""

    def __init__(self, pipe: int, in_vm: bool, without: str, core: str, symbols: Mapping[int, str]) -> None:
        super().__init__(pipe, None, in_vm, without)
        self.profile = Profile(subcalls=False, builtins=False)
        self.symbols = symbols
        self.core = core
        self.addresses = (ctypes.c_ssize_t * 8192)()
        self.profile.enable()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self.tell(outside=self._taken())
        result = yield
        self.tell(touched=self._taken(), by=item.nodeid)
        return result

    def _taken(self) -> list[str]:
        self.profile.disable()
        codes = [entry.code for entry in self.profile.getstats() if isinstance(entry.code, CodeType)]
        found = {named for code in codes if (named := function_of(code))}
        self.profile.clear()
        if self.symbols:
            library = ctypes.CDLL(self.core)
            count = library.p2b_called(self.addresses)
            found |= {f"C:{self.symbols[at]}" for at in self.addresses[:count] if at in self.symbols}
        self.profile.enable()
        return sorted(found)


def function_of(code: CodeType) -> str:
    """Named as mutants name theirs: lambdas and comprehensions belong to the function around them."""
    if not code.co_filename.startswith(_PACKAGE):
        return ""
    name = code.co_qualname.replace(".<locals>", "").partition("<")[0].rstrip(".")
    return f"{code.co_filename.removeprefix(f'{ROOT}/')}:{name}" if name else ""
