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
from typing import TYPE_CHECKING, Any, NoReturn, Self

from . import backend, ledger
from .asm import Insn, Kind
from .borders import Public, public
from .exception import ClosedError, DataTypeError, KernelError, NotInVm, Py2BpfError, VerifierError
from .given import checked_license, checked_text, shown
from .given_maps import in_their_places
from .ledger import Loss
from .spans import source_line
from .spec import ContextSpec, ErrorSite, HookSpec, MapSpec, ProgramSpec, Target
from .uapi.hooks import BY_TYPE, SPECS, TITLES
from .uapi.prog_types import ProgType

if TYPE_CHECKING:
    from .backend import Backend, LoadedProgram, MapStorage
    from .core.handles import Handle
    from .programs import ProgInfo, TestRun

__all__ = ["Prog", "ProgType", "create_prog"]


class Prog(Public):
    """A program in the kernel, or in the embedded VM. The program stays while this object is open, and as long as it is
    attached. A context manager. ``close()`` is idempotent; operations that need the program raise ClosedError
    afterwards.
    """

    def __init__(self, loaded: LoadedProgram, counters: MapStorage | None = None) -> None:
        self._loaded = loaded
        self._counters = counters
        self._errors_in_all: dict[ErrorSite, int] | None = None
        ledger.register(self)

    @property
    def fd(self) -> int:
        """The file descriptor. Raises ClosedError after close(), NotInVm for a program of the embedded VM."""
        return self._loaded.fd

    @property
    def handle(self) -> Any:
        """The handle for the library's own calls (core.handles.Handle). Raises ClosedError, NotInVm."""
        self.need_kernel("hand it to the kernel")
        return self._loaded.handle

    @property
    def arrays(self) -> Sequence[Handle]:
        """Handles of the program arrays that the program uses, as long as it is open; empty for a program of the VM,
        whose arrays need no handle to stay."""
        return self._loaded.arrays

    @property
    def in_vm(self) -> bool:
        """Whether the program lives in the embedded VM, and so can't be attached."""
        return not self._loaded.backend.can_attach

    @property
    def closed(self) -> bool:
        return self._loaded.closed

    def need_kernel(self, what: str) -> None:
        """Raises NotInVm for a program of the embedded VM; ``what`` says what needs the kernel."""
        if self.in_vm:
            raise NotInVm(f"can't {what}: {self.spec.name} lives in the embedded VM, which attaches to nothing",
                          "run it by prog.test_run(), or over a capture by `python -m py2bpf replay`")

    def fileno(self) -> int:
        return self._loaded.fileno()

    @property
    def spec(self) -> ProgramSpec:
        """The compiled program."""
        return self._loaded.spec

    @property
    def prog_type(self) -> ProgType:
        """The program type."""
        return ProgType(self.spec.hook.prog_type)

    @property
    def bpf_insns(self) -> tuple[Insn, ...]:
        """The instructions, as the original of 2017 named them: ``spec.code``."""
        return tuple(self.spec.code)

    @property
    def pretty(self) -> str:
        """The program's instructions as text, one a line, after the source line that each comes from."""
        return listing(self.spec)

    @property
    def info(self) -> ProgInfo:
        """What the kernel knows about the program: id, tag, run counts."""
        return self._loaded.info()

    @property
    def errors(self) -> dict[ErrorSite, int]:
        """How many runs ended where Python would have raised, by line and exception.

        A run ends at its first error, with the hook's fallback result. Lines without errors are left out. ``str(site)``
        is ``file:line: ZeroDivisionError``. After close(), these are the counts at the time of close().
        """
        return dict(self._errors_in_all) if self._errors_in_all is not None else self._count_errors()

    def _count_errors(self) -> dict[ErrorSite, int]:
        if self._counters is None:
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

        Returns (retval, data, duration_ns): the unsigned 32-bit result, the packet afterwards, nanoseconds per run.
        ``data`` is the packet, ``ctx`` the context: bytes, or a ctypes structure. Raises NotSupported for program types
        that the kernel can't test-run, KernelError for a packet that the kernel refuses (network programs: less than 14
        bytes, or more than about a page), DataTypeError for a packet or context that is no buffer.
        """
        return self._loaded.test_run(data, ctx, repeat)

    def pin(self, path: str) -> None:
        """Gives the program a path in the BPF file system, where it outlives this process. The program arrays that its
        tail calls use now get the same path with ``_array0``, ``_array1`` ... appended."""
        self._loaded.pin(path)

    def close(self) -> None:
        if self._errors_in_all is None:
            with contextlib.suppress(KernelError, ClosedError):
                self._errors_in_all = self._count_errors()
        self._loaded.close()
        if self._counters is not None:
            self._counters.close()

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        """Raises DataTypeError: programs can't be copied or pickled."""
        from .core.handles import uncopyable

        raise uncopyable(repr(self))

    def __enter__(self) -> Self:
        self._loaded.ensure_open()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self.closed else self._loaded.where
        return f"<Prog {self.spec.name} ({self.spec.hook.name}), {state}>"


@public
def create_prog(
    prog_type: ProgType, ctx_type: type[ctypes.Structure] | ContextSpec, fn: Any, *,
    name: str | None = None, license: str = "GPL", hook: HookSpec | None = None,
) -> Prog:  # fmt: skip
    """Compiles ``fn`` and loads it into the kernel, or into the embedded VM (see vm.backend()).

    ``ctx_type`` is the type of the function's argument: a hook's context class (``SkBuffContext``), any ctypes
    Structure with the layout of the kernel's context, or a ContextSpec. ``hook`` replaces the known facts about the
    program type, such as its default result. Raises DataTypeError for the context of another hook, TranslationError for
    a function that can't be compiled, VerifierError if the kernel refuses the program, KernelError without the
    privileges (CAP_BPF, or root), NotInVm if the program is for the kernel and its map is in the VM, or the reverse.
    """
    target = backend.current().target()
    spec = compile_prog(prog_type, ctx_type, fn, name=name, license=license, hook=hook, target=target)
    first: VerifierError | None = None
    while True:
        try:
            return load_spec(spec, spec.captures)
        except VerifierError as error:
            first, before = first or error, spec
            other = easier(spec, error, target)
            if other is not None:
                target = other
                spec = compile_prog(prog_type, ctx_type, fn, name=name, license=license, hook=hook, target=target,
                                    warned=True)  # fmt: skip
            if other is None or spec.code == before.code:
                raise first from None


def easier(spec: ProgramSpec, error: VerifierError, target: Target) -> Target | None:
    """The target to compile for after the verifier refused a program; None if no other target can help."""
    from .compiler.attempts import Attempts, Failure

    attempts = Attempts(spec.name, target)
    return attempts.form.target if attempts.again(Failure(error, spec=spec)) else None


@public
def load_spec(spec: ProgramSpec, maps: Sequence[Any]) -> Prog:
    """Loads the result of compile_prog() into the kernel, or into the embedded VM: see vm.backend().

    ``maps[i]`` is used for ``spec.maps[i]``, and must have the same kind, sizes and number of entries. The function's
    own maps are ``spec.captures``. Counters are given as None: those of errors are made here, and those of losses
    belong to the maps that they count for. Raises the errors of create_prog() except TranslationError, and
    DataTypeError for other maps.
    """
    if not isinstance(spec, ProgramSpec):
        raise DataTypeError(f"what is loaded is a ProgramSpec of compile_prog(), not {shown(spec)}")
    where = backend.current()
    with contextlib.ExitStack() as failed, contextlib.ExitStack() as loaded:
        counters = None
        maps = in_their_places(spec, maps)
        if spec.error_map is not None:
            counters = maps[spec.error_map] = _counters(where, spec.maps[spec.error_map])
            failed.callback(counters.close)
        for counter, of in spec.loss_maps:
            maps[counter] = _loss_counter(maps[of]) or loaded.enter_context(
                contextlib.closing(_counters(where, spec.maps[counter]))
            )
        prog = Prog(where.load(spec, maps), counters)
        failed.pop_all()
    return prog


def _loss_counter(map: Any) -> Any:
    """The counter of a map's losses, shared by all programs that use the map. None if the map has no counter: then the
    program gets one of its own, which nobody reads."""
    return getattr(map, "lost_counter", None)


def _counters(where: Backend, spec: MapSpec) -> MapStorage:
    return where.create_map(spec, spec.key_size, spec.value_size)


@public
def compile_prog(
    prog_type: ProgType, ctx_type: type[ctypes.Structure] | ContextSpec, fn: Any, *,
    name: str | None = None, license: str = "GPL", hook: HookSpec | None = None, target: Target | None = None,
    warned: bool = False,
) -> ProgramSpec:  # fmt: skip
    """Compiles ``fn`` without loading it, which needs no privileges. ``target`` says what the kernel can do that will
    run the program; the default is Linux 6.4. ``warned`` suppresses warnings that were shown before. Raises the errors
    of create_prog() that concern compiling.
    """
    from .compiler.pipeline import compile_function

    kind = _prog_type(prog_type)
    checked_license(license)
    for given, its_type, where in ((hook, HookSpec, "hook"), (target, Target, "target")):
        if given is not None and not isinstance(given, its_type):
            raise DataTypeError(f"{where} is a py2bpf.spec.{its_type.__name__}, not {shown(given)}")
    if name is not None:
        checked_text(name, "a program's name")
    context = _context(ctx_type, kind)
    if hook is None:
        hook = SPECS.get(kind)
        if hook is None:
            wanted = f"hook=py2bpf.spec.HookSpec(ProgType.{kind.name}, {kind.name.lower()!r})"
            raise Py2BpfError(f"say what results of {kind.name} programs mean by {wanted}; see docs/hooks.md")
    return compile_function(fn, context, hook, name=name, license=license, target=target, warned=warned)


def _prog_type(given: ProgType) -> ProgType:
    try:
        return ProgType(int.__index__(given))
    except (TypeError, ValueError):
        what = "prog_type is one of py2bpf.prog.ProgType, such as ProgType.XDP"
        raise DataTypeError(f"{what}, not {shown(given)}") from None


def _context(ctx_type: type[ctypes.Structure] | ContextSpec, kind: ProgType) -> ContextSpec:
    """The context's spec. Raises DataTypeError for any other object, and for the kernel's context of another hook."""
    if isinstance(ctx_type, type) and issubclass(ctx_type, (ctypes.Structure, ctypes.Union)):
        ctx_type = ContextSpec(ctx_type)
    if isinstance(ctx_type, ContextSpec):
        row = BY_TYPE.get(kind)
        own = row.context if row is not None and row.context.spec is not None else None
        if own is not None and ctx_type.struct not in own.structs and ctx_type.struct in TITLES:
            raise DataTypeError(f"the context of {kind.name} programs is {own.title}, not {TITLES[ctx_type.struct]}")
        return ctx_type
    raise DataTypeError("ctx_type is the type of the program's argument: a hook's context (tc.SkBuffContext, say), a "
                        f"ctypes Structure or a ContextSpec, not {shown(ctx_type)}")


def listing(spec: ProgramSpec) -> str:
    """A program's instructions as text, with the Python lines that they come from."""
    from .disasm import text  # needed by few

    lines: list[str] = []
    last: tuple[str, int] | None = None
    for insn, span in zip(spec.code, spec.lines, strict=True):
        if span is not None and (span.filename, span.line) != last:
            last = span.filename, span.line
            lines.append(f"; {span.line}: {source_line(span).strip()}")
        if insn.kind == Kind.LD_MAP_VALUE and insn.ref == spec.error_map:
            lines.append(f"; counts {spec.errors[insn.imm // 8].error}")
        lines.append(text(insn) if insn.kind == Kind.LABEL else f"    {text(insn)}")
    return "\n".join(lines)
