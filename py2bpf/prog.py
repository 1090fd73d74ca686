"""Programs: a Python function, compiled and loaded.

with create_prog(ProgType.SOCKET_FILTER, SkBuffContext, fn) as prog:
    print(prog.pretty)
    print(prog.test_run(packet).retval)
"""

from __future__ import annotations

import contextlib
import ctypes
import struct
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Self

from . import ledger
from .asm import Kind
from .exception import DataTypeError, NotInVm, Py2BpfError, VerifierError
from .ledger import Loss
from .spec import ContextSpec, ErrorSite, HookSpec, MapSpec, ProgramSpec, Target
from .uapi.contexts import CONTEXT_OF, KERNEL_CONTEXTS
from .uapi.prog_types import HOOKS, ProgType
from .vm.choice import current, storage_in_vm

if TYPE_CHECKING:
    from .datastructures.storage import MapStorage
    from .kernel.program import LoadedProgram, ProgInfo, TestRun
    from .vm.program import VmProgram

__all__ = ["Prog", "ProgType", "create_prog"]


class Prog:
    """A program in the kernel, or in the embedded VM. It stays while this object is open, and as long as something it
    is attached to holds it. A context manager; ``close()`` may be called again, what needs the program raises
    ClosedError after it.
    """

    def __init__(self, loaded: LoadedProgram | VmProgram, counters: MapStorage | None = None) -> None:
        self._loaded = loaded
        self._counters = counters
        ledger.register(self)

    @property
    def fd(self) -> int:
        """The file descriptor. Raises ClosedError after close(), NotInVm for a program of the embedded VM."""
        return self._loaded.fd

    @property
    def in_vm(self) -> bool:
        """Whether the program is one of the embedded VM."""
        return not hasattr(self._loaded, "unpin")

    @property
    def closed(self) -> bool:
        return self._loaded.closed

    def need_kernel(self, what: str) -> None:
        """Raises NotInVm, which names ``what`` was to be done, for a program of the embedded VM."""
        if self.in_vm:
            raise NotInVm(f"can't {what}: {self.spec.name} lives in the embedded VM, which attaches to nothing",
                          "run it by prog.test_run(), or over a capture by `python -m py2bpf replay`")

    def fileno(self) -> int:
        return self._loaded.fileno()

    @property
    def spec(self) -> ProgramSpec:
        """What was compiled."""
        return self._loaded.spec

    @property
    def pretty(self) -> str:
        """The program's instructions as text, one a line, after the source line that each comes from."""
        return listing(self.spec)

    @property
    def info(self) -> ProgInfo:
        """What the kernel knows of the program: id, tag, run counts."""
        return self._loaded.info()

    @property
    def errors(self) -> dict[ErrorSite, int]:
        """Where the program's runs so far ended since Python would have raised: how often, by line and exception.

        Each run ends at its first error, with the hook's safe value. Lines where nothing went wrong are left
        out; ``str(site)`` is ``file:line: ZeroDivisionError``. Raises ClosedError after close().
        """
        if self._counters is None:
            self._loaded.__enter__()  # raises when closed
            return {}
        data = self._counters.lookup(bytes(4)) or b""
        counts = struct.unpack(f"={len(self.spec.errors)}Q", data)
        return {site: count for site, count in zip(self.spec.errors, counts, strict=True) if count}

    def losses(self, where: str) -> Iterator[Loss]:
        """See py2bpf.losses()."""
        if self.closed:
            return
        name = self.spec.name
        misses = self.info.recursion_misses
        yield Loss("program", name, where, misses, "runs left out: a program was running on that CPU")
        for site, count in self.errors.items():
            at = f"{site.filename}:{site.line}"
            yield Loss("program", name, at, count, f"runs ended by {site.error}, see prog.errors")

    def test_run(self, data: bytes = b"", ctx: Any = None, repeat: int = 1) -> TestRun:
        """Runs the program once (or ``repeat`` times) on a packet, by BPF_PROG_TEST_RUN.

        Returns (retval, data, duration_ns): the unsigned 32-bit result, the packet afterwards, nanoseconds per
        run. Raises NotSupported for program types without it, KernelError for a packet the kernel refuses (network
        programs: less than 14 bytes, or more than about a page), DataTypeError for what is no packet.
        """
        return self._loaded.test_run(data, ctx, repeat)

    def pin(self, path: str) -> None:
        """Makes the program outlive this process under a path of the BPF file system."""
        self._loaded.pin(path)

    def close(self) -> None:
        self._loaded.close()
        if self._counters is not None:
            self._counters.close()

    def __enter__(self) -> Self:
        self._loaded.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self.closed else "in the VM" if self.in_vm else f"fd {self.fd}"
        return f"<Prog {self.spec.name} ({self.spec.hook.name}), {state}>"


def create_prog(
    prog_type: ProgType, ctx_type: type[ctypes.Structure] | ContextSpec, fn: Any, *,
    name: str | None = None, license: str = "GPL", hook: HookSpec | None = None,
) -> Prog:  # fmt: skip
    """Compiles ``fn`` and loads it into the kernel, or into the embedded VM: see vm.backend().

    ``ctx_type`` is the type of its one argument: a hook's context class (``SkBuffContext``), any ctypes
    Structure laid out as the kernel's context, or a ContextSpec. ``hook`` replaces what the program type says
    of return values. Raises DataTypeError for another hook's context, TranslationError for what can't be compiled,
    VerifierError where the kernel refuses the program, KernelError without the privileges (CAP_BPF, or
    root), NotInVm where the program is for the kernel and its map in the VM, or the reverse.
    """
    target = _target()
    spec = compile_prog(prog_type, ctx_type, fn, name=name, license=license, hook=hook, target=target)
    try:
        return load_spec(spec, spec.captures)
    except VerifierError as error:
        other = other_loops(spec, error, target)
        if other is None:
            raise
        spec = compile_prog(prog_type, ctx_type, fn, name=name, license=license, hook=hook, target=other, warned=True)
        try:
            return load_spec(spec, spec.captures)
        except VerifierError:
            raise error from None


def other_loops(spec: ProgramSpec, error: VerifierError, target: Target) -> Target | None:
    """What to compile for after the verifier gave up at a program with iterators: in a callback of bpf_loop it forgets
    what the branches before told it, which costs some programs checks that they need and saves others its patience.
    """
    again = error.gave_up and spec.kfuncs and target.bpf_loop
    return target.without("iterators") if again else None


def load_spec(spec: ProgramSpec, maps: Sequence[Any]) -> Prog:
    """Loads what compile_prog() made into the kernel, or into the embedded VM: see vm.backend().

    ``maps[i]`` takes the place of ``spec.maps[i]`` (``spec.captures`` are the maps that the function named); None for
    the counters of errors, which are made here. Raises what create_prog() raises, but for TranslationError.
    """
    load = _load_in_vm if current() == "vm" else _load_in_kernel
    with contextlib.ExitStack() as stack:
        counters = None
        maps = list(maps)
        if spec.error_map is not None:
            counters = maps[spec.error_map] = _open_counters(spec.maps[spec.error_map])
            stack.callback(counters.close)
        prog = Prog(load(spec, maps), counters)
        stack.pop_all()
    return prog


def _target() -> Target:
    """The running kernel's features; the VM has them all."""
    if current() == "vm":
        return Target()
    from .kernel.features import target

    return target()


def _load_in_kernel(spec: ProgramSpec, maps: list[Any]) -> LoadedProgram:
    from .kernel.program import load

    for each in maps:
        if storage_in_vm(each) is not None:
            raise NotInVm(f"{spec.name} is loaded into the kernel, and its map {each!r} lives in the embedded VM",
                          "make program and maps inside of the same py2bpf.vm.backend()")
    return load(spec, [each.fd for each in maps])


def _load_in_vm(spec: ProgramSpec, maps: list[Any]) -> VmProgram:
    from .vm.machine import machine
    from .vm.program import load

    storages = []
    for each in maps:
        storage = storage_in_vm(each)
        if storage is None:
            raise NotInVm(f"{spec.name} runs in the embedded VM, and its map {each!r} lives in the kernel",
                          "make program and maps inside of the same py2bpf.vm.backend()")
        storages.append(storage)
    return load(spec, storages, machine().handle)


def _open_counters(spec: MapSpec) -> MapStorage:
    from .datastructures.storage import open_storage

    return open_storage(spec, spec.key_size, spec.value_size)


def compile_prog(
    prog_type: ProgType, ctx_type: type[ctypes.Structure] | ContextSpec, fn: Any, *,
    name: str | None = None, license: str = "GPL", hook: HookSpec | None = None, target: Target | None = None,
    warned: bool = False,
) -> ProgramSpec:  # fmt: skip
    """Compiles ``fn`` without loading it: needs no privileges. ``target`` says what the kernel has that it is for;
    left out, all that Linux 6.4 has. ``warned``: warn of nothing, since that was done."""
    from .compiler.pipeline import compile_function

    kind = _prog_type(prog_type)
    context = _context(ctx_type, kind)
    if hook is None:
        hook = HOOKS.get(kind)
        if hook is None:
            raise Py2BpfError(f"programs of type {kind.name} are not supported; pass hook=HookSpec(...)")
    return compile_function(fn, context, hook, name=name, license=license, target=target, warned=warned)


def _prog_type(given: ProgType) -> ProgType:
    try:
        return ProgType(given)
    except ValueError:
        raise DataTypeError(f"prog_type is one of py2bpf.prog.ProgType, such as ProgType.XDP, not {given!r}") from None


def _context(ctx_type: type[ctypes.Structure] | ContextSpec, kind: ProgType) -> ContextSpec:
    """The context's spec. Raises DataTypeError for what is none, and for the kernel's context of another hook."""
    if isinstance(ctx_type, type) and issubclass(ctx_type, (ctypes.Structure, ctypes.Union)):
        ctx_type = ContextSpec(ctx_type)
    if isinstance(ctx_type, ContextSpec):
        own = CONTEXT_OF.get(kind)
        if own is not None and ctx_type.struct is not own.struct and ctx_type.struct in KERNEL_CONTEXTS:
            raise DataTypeError(f"the context of {kind.name} programs is {KERNEL_CONTEXTS[own.struct]}, "
                                f"not {KERNEL_CONTEXTS[ctx_type.struct]}")
        return ctx_type
    raise DataTypeError("ctx_type is the type of the program's argument: a hook's context (tc.SkBuffContext, say), a "
                        f"ctypes Structure or a ContextSpec, not {ctx_type!r}")


def listing(spec: ProgramSpec) -> str:
    """A program's text, with the Python lines that it comes from."""
    from .compiler.diagnostics import source_line

    lines: list[str] = []
    last: tuple[str, int] | None = None
    for insn, span in zip(spec.code, spec.lines, strict=True):
        if span is not None and (span.filename, span.line) != last:
            last = span.filename, span.line
            lines.append(f"; {span.line}: {source_line(span).strip()}")
        if insn.kind == Kind.LD_MAP_VALUE and insn.ref == spec.error_map:
            lines.append(f"; counts {spec.errors[insn.imm // 8].error}")
        lines.append(f"    {insn}" if not str(insn).endswith(":") else str(insn))
    return "\n".join(lines)
