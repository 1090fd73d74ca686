"""The whole compiler: runs its stages one after the other."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import os
import sys
import types
from collections.abc import Callable
from typing import Any

from ..borders import of_a_signal, verbose
from ..disasm import text
from ..exception import InternalCompilerError, LimitExceeded, Py2BpfError, Span, TranslationError, UnsupportedSyntax
from ..given import shown
from ..spec import ContextSpec, HookSpec, ProgramSpec, Target
from . import codegen, warn
from .attempts import Attempts, Evaluation, Failure, NoRoom
from .bytecode import decode
from .bytecode.text import render as bytecode_text
from .ir.checker import check
from .ir.ops import Op
from .ir.printer import to_text
from .ir.values import Function
from .pass_list import PASSES, Pass, run_passes
from .peval import Evaluator, Restart, blame, failures

Dump = Callable[[str, str], None]
"""Receives a stage's name and its text."""

checking = False
"""Whether the IR checker runs after every pass; the tests switch it on."""


def compile_function(
    fn: Any,
    context: ContextSpec,
    hook: HookSpec,
    *,
    name: str | None = None,
    license: str = "GPL",
    target: Target | None = None,
    dump: Dump | None = None,
    warned: bool = False,
) -> ProgramSpec:
    """Compiles a Python function of one argument, the hook's context. ``warned``: gives no warnings.

    Raises TranslationError, with the user's line, for code that has no meaning in BPF; InternalCompilerError for a
    bug of the compiler; MemoryError.
    """
    given, fn = fn, _plain(fn)
    dump = dump or _verbose()
    if dump is not None:
        dump("bytecode", bytecode_text(decode(fn.__code__)))
    compilation = _Compilation(fn, context, hook, target or Target(), dump)
    try:
        spec = compilation.run()
    except TranslationError as error:
        _blame(error, given)
        raise
    except Py2BpfError:
        raise
    except Exception as error:  # whatever the compiler itself has run into
        if isinstance(error, MemoryError) or of_a_signal(error):
            raise
        if isinstance(error, RecursionError):
            raise _too_deep(fn) from None
        span = Span(fn.__code__.co_filename, fn.__code__.co_firstlineno)
        raise InternalCompilerError(compilation.stage, f"{type(error).__name__}: {error}", span) from error
    if not warned:
        warn.show(compilation.found, fn)
    if dump is not None:
        dump("asm", "".join(f"{text(insn)}\n" for insn in spec.code))
    return dataclasses.replace(spec, name=name or spec.name, license=license)


class _Compilation:
    """The compilation of one function; ``stage`` is the present stage, ``found`` are the warnings so far."""

    def __init__(
        self, fn: types.FunctionType, context: ContextSpec, hook: HookSpec, target: Target, dump: Dump | None
    ) -> None:
        self.fn = fn
        self.context = context
        self.hook = hook
        self.attempts = Attempts(fn.__name__, target)
        self.dump = dump
        self.stage = ""
        self.found: list[warn.Found] = []

    def run(self) -> ProgramSpec:
        """Compiles the first form whose frames fit the stack."""
        while True:
            program = self._optimised()
            try:
                return self._generated(program)
            except NoRoom as error:
                if self.attempts.again(Failure(error)) is None:
                    raise (error.__cause__ or _too_much_stack(program)) from None

    def _optimised(self) -> Function:
        """The function through evaluation and all passes."""
        self.stage = "peval"
        program = self._evaluated()
        self.show(program)
        self.found = warn.noticed(program)
        run_passes(program, self)
        return program

    def _evaluated(self) -> Function:
        evaluation = Evaluation(self.attempts)
        while True:
            form = self.attempts.form
            evaluator = Evaluator.of_program(self.fn.__name__, self.hook, form.target, decode, form.decisions)
            try:
                return evaluator.program(self.fn, self.context)
            except (Restart, TranslationError) as error:
                evaluation.again(evaluator, error)
            except RecursionError as error:
                if of_a_signal(error):
                    raise
                raise blame.on_the_user(evaluator.located(failures.too_deep())) from None

    def _generated(self, program: Function) -> ProgramSpec:
        """The program's instructions. Raises NoRoom if another form may fit."""
        self.stage = "codegen"
        try:
            return codegen.generate(program)
        except codegen.FrameSizeError:
            raise NoRoom from None
        except LimitExceeded as error:
            if not any(function.callback for function in program.subprograms):
                raise
            raise NoRoom from error

    # methods of Watcher

    def begin(self, row: Pass) -> None:
        self.stage = row.name

    def ran(self, row: Pass, fn: Function) -> None:
        if row.name in warn.CHECKS:
            self.found += warn.CHECKS[row.name](fn)

    def done(self, row: Pass, program: Function) -> None:
        if checking:
            for fn in (program, *program.subprograms):
                check(fn, row.name, row.checked)
        self.show(program)

    def show(self, program: Function) -> None:
        if self.dump is not None:
            self.dump(self.stage, "\n".join(to_text(fn) for fn in (program, *program.subprograms)))


def _too_much_stack(program: Function) -> LimitExceeded:
    """The error if even the last form needs too much stack, because of functions that helpers call back."""
    functions = (program, *program.subprograms)
    call = next(v for function in functions for block in function.blocks for v in block.body if v.op is Op.FUNC)
    return LimitExceeded(
        call.span.line if call.span else 0,
        "the program and what is called back here need more stack than the 512 bytes of BPF", span=call.span,
        hints=("use smaller objects, or keep large ones in a map",),
    )  # fmt: skip


def _too_deep(fn: types.FunctionType) -> LimitExceeded:
    """The error for too deep a recursion after partial evaluation, which names the place itself."""
    span = Span(fn.__code__.co_filename, fn.__code__.co_firstlineno)
    return LimitExceeded(span.line, "the function nests too deep for the compiler", span=span,
                         hints=("write large expressions as several statements",))


def _plain(fn: Any) -> types.FunctionType:
    """``fn`` itself, or a function that calls it if it is a method, a partial or another callable object."""
    if isinstance(fn, types.FunctionType):
        return fn
    if not isinstance(_underlying(fn), types.FunctionType):
        hint = "give a function of one argument, the hook's context"
        raise UnsupportedSyntax(0, f"a Python function is needed, not {shown(fn)}", hints=(hint,))
    return types.FunctionType(_call.__code__, {"fn": fn}, getattr(getattr(fn, "func", fn), "__name__", "program"))


def _underlying(fn: Any) -> Any:
    """The function that a call of a method, partial or callable object runs."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    if isinstance(fn, types.MethodType):
        return fn.__func__
    return fn if isinstance(fn, (type, types.FunctionType)) else inspect.getattr_static(type(fn), "__call__", None)


def _blame(error: TranslationError, fn: Any) -> None:
    """Points at the user's function instead of the wrapper that calls it."""
    error.notes = tuple(note for note in error.notes if note[0].filename != __file__)
    if error.span is not None and error.span.filename == __file__:
        code = _underlying(fn).__code__
        error.span = Span(code.co_filename, code.co_firstlineno, function=code.co_qualname)
        error.line = code.co_firstlineno


def _call(context: Any) -> Any:
    return fn(context)  # type: ignore[name-defined]  # noqa: F821 - a global of the function that _plain makes of this


def _verbose() -> Dump | None:
    """Prints every stage if PY2BPF_VERBOSE is set; for a value such as ``-le``, only the passes with these letters."""
    if not verbose():
        return None
    wanted = os.environ["PY2BPF_VERBOSE"]
    chosen = {row.name for row in PASSES if row.letter in wanted} if wanted.startswith("-") else None

    def show(stage: str, text: str) -> None:
        if chosen is None or stage in chosen:
            print(f"== {stage}\n{text}", file=sys.stderr)

    return show
