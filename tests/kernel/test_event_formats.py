"""Facts about events that py2bpf knows without reading tracefs, compared with tracefs."""

from __future__ import annotations

import platform
import re
from ctypes import c_uint32, c_uint64
from pathlib import Path
from typing import Any

import pytest

from py2bpf import sim, tracepoint, vm
from py2bpf.btf.c_types import kernel_btf
from py2bpf.datastructures import HashMap
from py2bpf.exception import KernelError
from py2bpf.kernel import event_formats, mounts, signatures, tracefs
from py2bpf.kernel.event_context import context
from py2bpf.spec import ContextSpec, Located
from py2bpf.uapi.syscall_args import SYSCALL_ARGS
from py2bpf.uapi.tracepoints import CLASS_OF

with_btf = pytest.mark.skipif(kernel_btf() is None, reason="this kernel has no BTF")


def shape(spec: ContextSpec) -> tuple[Any, ...]:
    """All that programs see: names, types and places."""
    members = {name: (kind_of(ctype), getattr(spec.struct, name).offset) for name, ctype in spec.struct._fields_}
    located = {name: (each.path, each.begin, kind_of(each.ctype)) for name, each in spec.fields.items()
               if isinstance(each, Located)}  # fmt: skip
    return {name: each for name, each in members.items() if not name.startswith("_gap")}, located


def kind_of(ctype: Any) -> Any:
    return (ctype._type_, ctype._length_) if hasattr(ctype, "_length_") else ctype


@pytest.mark.kernel
@with_btf
def test_the_tables_and_btf_tell_what_tracefs_tells() -> None:
    told = []
    for file in (tracefs.root() / "events").glob("*/*/format"):
        category, event = file.parent.parent.name, file.parent.name
        found = event_formats.known(category, event)
        if found is not None:
            real = tracefs.parse_format(file.read_text())
            told.append((event, shape(context(found, event)) == shape(context(real, event))))
    differ = [event for event, same in told if not same]
    if re.match(r"6\.18\.", platform.release()) and platform.machine() == "x86_64":
        names = {event for event, _ in told}
        assert not differ and len(told) > 1000
        assert not [call for call in SYSCALL_ARGS if f"sys_exit_{call}" not in names]
        assert not set(CLASS_OF) - names
    else:  # the tables are that kernel's
        assert len(differ) < len(told) / 10, differ


@pytest.fixture(params=["not mounted", "not for us"])
def no_tracefs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As for a process that isn't root's."""
    if request.param == "not mounted":
        (tmp_path / "mounts").write_text("proc /proc proc rw 0 0\n")
        monkeypatch.setattr(tracefs, "MOUNT_POINTS", (tmp_path / "tracing",))
        monkeypatch.setattr(mounts, "_MOUNTS", tmp_path / "mounts")
    else:
        (tmp_path / "events").mkdir()
        monkeypatch.setattr(tracefs, "MOUNT_POINTS", (tmp_path,))
        monkeypatch.setattr(Path, "read_text", forbidden)


def forbidden(path: Path, *_args: Any, **_keywords: Any) -> str:
    raise PermissionError(13, "Permission denied", str(path))


seen: Any = None  # the tests' own


@tracepoint.probe("syscalls:sys_enter_lseek")
def on_lseek(event: Any) -> None:
    seen[event.fd] = event.offset


@tracepoint.probe("syscalls:sys_exit_lseek")
def on_return(event: Any) -> None:
    seen[1] = event.ret


@tracepoint.probe("sched:sched_process_exec")
def on_exec(event: Any) -> None:
    seen[event.pid] = event.filename[1]


@tracepoint.probe("sched:sched_wakeup")
def on_wakeup(event: Any) -> None:
    seen[event.pid] = event.prio


@pytest.mark.usefixtures("no_tracefs")
@pytest.mark.parametrize(
    ("probe", "fields", "number"),
    [
        (on_lseek, {"fd": 3, "offset": 5}, 5),
        (on_return, {"ret": 7}, 7),
        pytest.param(on_exec, {"pid": 3, "filename": b"/bin/true"}, ord("b"), marks=with_btf),
        pytest.param(on_wakeup, {"pid": 3, "prio": 120}, 120, marks=with_btf),
    ],
)
def test_probes_are_tested_by_everybody(
    probe: Any, fields: dict[str, Any], number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with vm.backend(), HashMap(c_uint32, c_uint64, 4) as made:
        monkeypatch.setitem(globals(), "seen", made)
        sim.run(probe, fields)
        assert list(made.values()) == [number]
        made.clear()
        event = bytes(sim.context(probe, **fields))
        with probe.load() as prog:
            prog.test_run(ctx=event)
        assert list(made.values()) == [number]


@pytest.mark.usefixtures("no_tracefs")
@pytest.mark.parametrize(
    ("event", "hint"),
    [
        ("syscalls:sys_enter_opnat", "knows the system calls of Linux 6.18, and that is none of them"),
        ("syscalls:sys_opnat", "that is none of them"),
        pytest.param("x:zzz", "BTF, which has no struct trace_event_raw_zzz: ", marks=with_btf),
    ],
)
def test_what_is_not_known(event: str, hint: str) -> None:
    with pytest.raises(KernelError, match=re.escape(hint)):
        sim.context(tracepoint.probe(event)(lambda _event: 0))


@pytest.mark.usefixtures("no_tracefs")
@pytest.mark.skipif(platform.machine() != "x86_64", reason="names the wrapper that x86-64 has")
def test_arguments_of_system_calls_for_kprobes() -> None:
    assert [each.__name__ for each in signatures.of_symbol("__x64_sys_kill").args] == ["c_int", "c_int"]
