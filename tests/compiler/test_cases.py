"""The golden files of tests/cases: every stage as text, and the programs run in the kernel."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from case_files import (
    GOLDEN,
    PACKET,
    Case,
    check_run,
    context_of,
    live_maps,
    namespace,
    parse,
    pure_maps,
    translate,
    write,
)

from py2bpf import vm
from py2bpf.compiler import pipeline
from py2bpf.prog import create_prog
from py2bpf.uapi.prog_types import KEEP_PACKET
from py2bpf.vm import machine_calls
from py2bpf.vm.machine import machine

CASES = Path(__file__).parent.parent / "cases"
ALL = [parse(path) for path in sorted(CASES.rglob("*.case"))]
RUN = [case for case in ALL if "run" in case.sections]
PURE = [case for case in ALL if any(name in case.sections for name in GOLDEN)]


def name_of(case: Case) -> str:
    return str(case.path.relative_to(CASES).with_suffix(""))


@pytest.fixture(autouse=True)
def _checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The IR checker runs after every pass."""
    monkeypatch.setattr(pipeline, "checking", True)


def test_there_are_cases() -> None:
    assert len(PURE) >= 80 and len(RUN) >= 60


@pytest.mark.parametrize("case", PURE, ids=name_of)
def test_stages(case: Case, request: pytest.FixtureRequest) -> None:
    found = translate(case, namespace(case, pure_maps()))
    assert "warning" in case.sections or "warning" not in found, found["warning"]
    wanted = {name: case.sections[name].rstrip() for name in GOLDEN if name in case.sections}
    if request.config.getoption("--update-cases"):
        refused = wanted.keys() - found.keys()
        assert not refused, f"no {', '.join(refused)} to write: {found.get('error', 'the program compiles')}"
        case.sections |= {name: found[name] for name in wanted}
        write(case)
        return
    assert {name: found.get(name, found.get("error", "the program compiles")).rstrip() for name in wanted} == wanted


@pytest.mark.parametrize("case", PURE, ids=name_of)
def test_compiling_twice_gives_the_same(case: Case) -> None:
    names = namespace(case, pure_maps())
    assert translate(case, names) == translate(case, names)


@pytest.fixture
def maps() -> Iterator[dict[str, Any]]:
    """The constructors of maps; what they make is closed afterwards."""
    made: list[Any] = []

    def keeping(make: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            made.append(make(*args, **kwargs))
            return made[-1]

        return call

    yield {name: keeping(make) for name, make in live_maps().items()}
    for made_map in made:
        made_map.close()


@pytest.mark.kernel
@pytest.mark.parametrize("case", RUN, ids=name_of)
def test_runs(case: Case, maps: dict[str, Any], trace_lines: Any) -> None:
    run_case(case, maps, trace_lines)


@pytest.mark.parametrize("case", RUN, ids=name_of)
def test_runs_in_the_vm(case: Case, maps: dict[str, Any]) -> None:
    """The same answers from the embedded VM, without privileges."""

    def traced(action: Callable[[], object]) -> list[str]:
        machine_calls.trace(machine().handle)
        action()
        return machine_calls.trace(machine().handle)[0]

    with vm.backend():
        run_case(case, maps, traced)


def run_case(case: Case, maps: dict[str, Any], traced: Any) -> None:
    """The run section of a case, with its program where the backend says."""
    names = namespace(case, maps)
    if "warning" in case.sections:
        warnings.simplefilter("ignore", UserWarning)
    with create_prog(case.prog_type, context_of(case.prog_type), names["prog"]) as prog:
        assert prog.in_vm == (vm.current() == "vm")

        def run(packet: bytes = PACKET, repeat: int = 1) -> int:
            return prog.test_run(packet, repeat=repeat).retval

        def errors() -> dict[str, int]:
            return {str(site): count for site, count in prog.errors.items()}

        names |= {"run": run, "PACKET": PACKET, "KEEP_PACKET": KEEP_PACKET, "traced": traced, "loaded": prog}
        names["errors"] = errors
        check_run(case.sections["run"], names, f"{case.path.stem}.run")
