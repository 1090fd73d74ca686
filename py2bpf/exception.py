"""The exceptions of py2bpf.

Py2BpfError
├── TranslationError            the function can't become a BPF program
│   ├── UnsupportedSyntax       a construct that has no meaning in BPF
│   ├── TypeMismatch            a value of the wrong type, a missing field
│   └── LimitExceeded           too much stack, too many instructions
├── KernelError (OSError)       a system call failed
│   ├── VerifierError           the kernel refused the program
│   └── NotSupported            the running kernel lacks a feature
│       └── NotInVm             the embedded VM attaches to nothing, and has no descriptors
├── VmFault                     a program of the embedded VM did something that it may not do
├── DataTypeError (TypeError)   a value, or a ctypes type, that a map or queue can't hold
├── DataRangeError (OverflowError)  a number that doesn't fit its type
│   └── ShortRecordError        a program wrote a record that is shorter than its queue's type
├── IndexOutOfRange (IndexError, KeyError)  an index past the end of an array map
├── ClosedError (ValueError)    use of a map, queue or program after close()
└── InternalCompilerError       a bug in py2bpf

Warning.UserWarning             the function compiles, but:
├── PossiblyNone                a value that may be None is used without a test
├── MixedSigns                  a negative number meets an unsigned 64-bit one in a variable
├── CalledOnce                  a call that reads or changes the world is made once, while compiling
└── NeverTrue                   a comparison can't hold: with None, or with a text that doesn't fit
"""

from __future__ import annotations

import errno
import os

from .spans import Span as Span
from .spans import excerpt

_LOG_LINES = 12
"""Of the verifier's log in a message."""


class Py2BpfError(Exception):
    """The base of all errors that py2bpf raises on purpose."""


class TranslationError(Py2BpfError):
    """A Python function can't be translated.

    ``line`` is the line number in the user's file, ``msg`` says what is wrong, ``hints`` what to write
    instead. ``span`` locates the expression and ``notes`` are further places, such as the callers of an
    inlined function. ``str()`` of the error shows all of it, with a caret under the expression.
    """

    final = False
    """Whether another attempt to compile the function is useless."""

    def __init__(
        self,
        line: int,
        msg: str,
        *,
        span: Span | None = None,
        hints: tuple[str, ...] = (),
        notes: tuple[tuple[Span, str], ...] = (),
    ) -> None:
        super().__init__(line, msg)
        self.line = line
        self.msg = msg
        self.span = span
        self.hints = hints
        self.notes = notes
        self.about: object = None  # the value that could not be stored

    def __str__(self) -> str:
        head = f"{self.span.place}: " if self.span else (f"line {self.line}: " if self.line else "")
        lines = [head + self.msg]
        if self.span:
            lines += excerpt(self.span)
        lines += [f"  help: {hint}" for hint in self.hints]
        for span, text in self.notes:
            lines.append(f"  {span.place}: {text}")
            lines += excerpt(span)
        return "\n".join(lines)


class UnsupportedSyntax(TranslationError):  # noqa: N818 - the design's name
    """A construct that compiled functions can't contain."""


class TypeMismatch(TranslationError):  # noqa: N818 - the design's name
    """A value has a type that the operation can't take."""


class LimitExceeded(TranslationError):  # noqa: N818 - the design's name
    """The program is larger than BPF allows: stack, instructions, unrolling."""


class KernelError(Py2BpfError, OSError):
    """A system call failed. ``errno`` is the kernel's error number; ``str()`` says what was tried and what to do."""

    told = False
    """Whether the message already explains ``errno``, so that the text of strerror(3) is left out."""

    def __init__(self, errno: int, msg: str, *, told: bool = False) -> None:
        super().__init__(errno, msg)
        self.told = told

    def __str__(self) -> str:
        name, text = os.strerror(self.errno or 0), self.strerror or ""
        return text if self.told or name in text else f"{text} ({name})"


class VerifierError(KernelError):
    """The kernel's verifier refused the program.

    ``log`` is the verifier's whole log. ``span``, ``line`` and ``column`` point at the Python expression that the
    refused instruction came from (None if the log names none). ``gave_up`` means that nothing was found wrong, but the
    program takes more steps than the verifier allows, or made the verifier fail by a mistake of its own (EFAULT).
    """

    def __init__(self, errno: int, msg: str, log: str, span: Span | None = None, gave_up: bool = False) -> None:
        super().__init__(errno, msg)
        self.log = log
        self.gave_up = gave_up
        self.span = span
        self.line = span.line if span else None
        self.column = span.column if span else None

    def __str__(self) -> str:
        lines = [self.strerror or "the kernel's verifier refused the program"]
        if self.span:
            lines.append(f"{self.span.place}: the refused instruction comes from here")
            lines += excerpt(self.span)
        log = [line for line in self.log.splitlines() if line.strip()]
        if log:
            lines.append("  the end of the verifier's log (all of it is in .log):")
            lines += [f"    {line}" for line in log[-_LOG_LINES:]]
        return "\n".join(lines)


class NotSupported(KernelError):  # noqa: N818 - the design's name
    """The running kernel has no such feature; ``since`` names the kernel version that brought it."""

    def __init__(self, errno: int, feature: str, since: str = "") -> None:
        known = f"; it came with Linux {since}" if since else ""
        super().__init__(errno, f"this kernel does not support {feature}{known}")
        self.feature = feature
        self.since = since


class NotInVm(NotSupported):
    """An operation that needs the kernel was called on an object of the embedded VM, or while the VM is the backend."""

    def __init__(self, feature: str, instead: str = "") -> None:
        advice = f"; {instead}" if instead else ""
        KernelError.__init__(self, errno.EOPNOTSUPP, f"{feature}{advice}. What is made inside of "
                             "py2bpf.vm.backend('kernel') lives in the kernel")
        self.feature = feature
        self.since = ""


class VmFault(Py2BpfError):  # noqa: N818 - the design's name
    """A program of the embedded VM did something that it may not do, or is no program that the VM can run.

    ``index`` is the number of the instruction (in units of 8 bytes), ``reason`` what it did, ``value`` the address or
    number at fault, ``span`` the Python expression that the instruction came from, and ``line`` its line (None if
    unknown).
    """

    def __init__(self, index: int, reason: str, value: int, what: str, span: Span | None = None) -> None:
        super().__init__(index, reason)
        self.index = index
        self.reason = reason
        self.value = value
        self.what = what
        self.span = span
        self.line = span.line if span else None

    def __str__(self) -> str:
        lines = [f"{self.what}: {self.reason} (instruction {self.index}, {self.value & (1 << 64) - 1:#x})"]
        if self.span:
            lines.append(f"{self.span.place}: the instruction comes from here")
            lines += excerpt(self.span)
        return "\n".join(lines)


class DataTypeError(Py2BpfError, TypeError):
    """A value has a type that is not accepted here, or a ctypes type can't be shared with the kernel."""


class DataRangeError(Py2BpfError, OverflowError):
    """A value has the right type but is out of its range, or has the wrong length."""


class ShortRecordError(DataRangeError):
    """A program wrote fewer bytes than the queue's type has. The next read gives the records that came with the short
    one."""


class IndexOutOfRange(Py2BpfError, IndexError, KeyError):  # noqa: N818 - the design's name
    """An array map has no such index. A KeyError too, since an array is a mapping from its indices."""

    __str__ = Exception.__str__


class ClosedError(Py2BpfError, ValueError):
    """A map, queue or program was used after close()."""


class PossiblyNone(UserWarning):
    """A value that may be None is used without an earlier test for None. If it is None at run time, the program ends
    there with its hook's fallback result, and ``prog.errors`` counts it. The text shows the place with a caret."""


class MixedSigns(UserWarning):
    """A variable is a negative constant on one path and an unsigned 64-bit number on another, and is then compared,
    divided or shifted: the constant has become its value modulo 2**64."""


class CalledOnce(UserWarning):
    """A call that reads or changes the world (a clock, random numbers, the process, files, a log) is made while the
    program is compiled. Its result is a constant of the program, and its effect happens once.

    The text names what the program can call instead. If one call is what you want, make it outside of the function.
    """


class NeverTrue(UserWarning):
    """A comparison that can never be true: a test for None of a value that is never None, such as ``m[key]`` of a map
    of numbers; or a char array compared with a constant that is too long for it, or contains a NUL. (With ``not`` in
    front, it can never be false.)"""


class InternalCompilerError(Py2BpfError):
    """A bug in py2bpf: names the compiler stage and the user's line. Please report it."""

    def __init__(self, stage: str, msg: str, span: Span | None = None) -> None:
        super().__init__(stage, msg)
        self.stage = stage
        self.msg = msg
        self.span = span

    def __str__(self) -> str:
        where = f" while compiling {self.span.filename}:{self.span.line}" if self.span else ""
        return f"internal error in {self.stage}{where}: {self.msg}. This is a bug in py2bpf, please report it."
