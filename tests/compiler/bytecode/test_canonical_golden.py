"""Golden canonical text: cases/*.case.

A case has a section `-- python` with functions, and for each different outcome a section `-- canonical 3.11 3.12`
that names its versions. A version whose patch releases differ is named in each of its outcomes. ``--update-cases``
rewrites what the running version gives:

    .ci/pythons.sh --update-cases tests/compiler/bytecode/test_canonical_golden.py
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import CodeType

import pytest

from py2bpf.compiler.bytecode import decode
from py2bpf.compiler.bytecode.text import render

CASES = sorted((Path(__file__).parent / "cases").glob("*.case"))
RUNNING = f"{sys.version_info[0]}.{sys.version_info[1]}"


def read(path: Path) -> tuple[str, dict[str, list[str]]]:
    """The source, and the outcomes with the versions that give them."""
    source, outcomes = "", {}
    for section in ("\n" + path.read_text()).split("\n-- ")[1:]:
        title, _, body = section.partition("\n")
        kind, *versions = title.split()
        if kind == "python":
            source = body
        else:
            outcomes[body.rstrip("\n") + "\n"] = versions
    return source, outcomes


def write(path: Path, source: str, outcomes: dict[str, list[str]]) -> None:
    text = f"-- python\n{source.rstrip()}\n"
    for outcome, versions in sorted(outcomes.items(), key=lambda item: version(item[1][0])):
        text += f"\n-- canonical {' '.join(sorted(versions, key=version))}\n{outcome}"
    path.write_text(text)


def version(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")))


def decoded(source: str) -> str:
    """The text of all functions, each after its name."""
    code = compile(source, "case.py", "exec")
    pending = [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    text = ""
    while pending:
        inner = pending.pop(0)
        text += f"{inner.co_qualname}\n{render(decode(inner))}"
        pending += [constant for constant in inner.co_consts if isinstance(constant, CodeType)]
    return text


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_golden(path, request):
    source, outcomes = read(path)
    got = decoded(source)
    expected = [outcome for outcome, versions in outcomes.items() if RUNNING in versions]
    if got not in expected and request.config.getoption("--update-cases"):
        for versions in outcomes.values():
            versions[:] = [name for name in versions if name != RUNNING]
        outcomes.setdefault(got, []).append(RUNNING)
        write(path, source, {outcome: versions for outcome, versions in outcomes.items() if versions})
    else:
        assert got in expected
