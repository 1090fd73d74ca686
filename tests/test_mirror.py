"""Tests are in the folder of the same name as the tested package: tests/kernel/ is for py2bpf/kernel/, and so on, and
the files beside this one are for modules of the package itself. Other folders are listed here, with what they are
for."""

from __future__ import annotations

from pathlib import Path

TESTS = Path(__file__).resolve().parent
PACKAGE = TESTS.parent / "py2bpf"

OTHERS = {
    "differential": "the language as a whole: random functions, and written ones, compared with CPython",
    "language": "the language as a whole: programs in CPython, in the embedded VM and in the kernel",
    "mutants": "the tests themselves: whether they notice changes of the package",
    "ownership": "all that owns something of the kernel's or the C core's, in whichever package",
    "privileges": "what takes a capability, in whichever package",
    "qemu": "other kernels, and machines whose CPUs come and go",
    "torture": "the package as a whole, at the edge of what a machine bears",
}


def folders(root: Path, pattern: str) -> set[str]:
    """Those that directly hold a file of that name, relative to the root, which isn't among them."""
    return {str(path.parent.relative_to(root)) for path in root.rglob(pattern)} - {"."}


def test_each_folder_of_tests_is_named_as_what_it_tests() -> None:
    strangers = folders(TESTS, "test_*.py") - folders(PACKAGE, "__init__.py")
    assert strangers == OTHERS.keys()


def test_each_folder_of_the_package_has_one_of_tests() -> None:
    """Where a pass or the kinds of values fill a folder, a third level of the package, the level above tests them."""
    packages = {name for name in folders(PACKAGE, "__init__.py") if name.count("/") < 2}
    assert packages <= folders(TESTS, "test_*.py")
