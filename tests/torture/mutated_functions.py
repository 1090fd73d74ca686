"""Mutants of real functions: each compiles and loads, or is refused by an error that points at a line."""

from __future__ import annotations

import ast
import fcntl
import linecache
import os
import random
import re
import signal
import sys
import traceback
import types
import warnings
from pathlib import Path

from campaigns import KEPT_APART, REJECTED, Outcome, Round
from corpus import Corpus, Subject
from function_mutants import Mutator, as_def

from py2bpf import vm
from py2bpf.compiler.peval import host, iterators
from py2bpf.exception import InternalCompilerError, TranslationError, VerifierError
from py2bpf.prog import compile_prog, create_prog
from py2bpf.uapi.hooks import SPECS

CHANGES = ([1, 2, 3, 5], [6, 3, 2, 1])
"""How many changes a mutant has, and how often."""
TRIES = 30
PATIENCE = 4.0
"""Seconds of processor time after which it is looked at who runs."""
LIBRARY = str(Path(vm.__file__).parents[1])
MUTANT = "<mutant "
"""How the files of mutants are called."""
LACKS = re.compile(r"program of this type cannot use helper|unknown func |invalid bpf_context access")
"""Of the verifier: the hook offers no such helper, or no such field."""


def begin() -> Round:
    _take_low_descriptors()
    corpus = Corpus()
    signal.signal(signal.SIGPROF, _stop)
    errors = fcntl.fcntl(2, fcntl.F_DUPFD_CLOEXEC, KEPT_APART)

    def round(seed: int) -> Outcome:
        os.dup2(errors, 2)  # which the last one may have closed: `with open(2)` is a function's own code
        choose = random.Random(seed)
        subject = corpus.pick(choose)
        made, text = None, ""
        for _ in range(TRIES):
            if (made := _mutant(subject, text := _source(subject, corpus, choose), seed)) is not None:
                break
        return Outcome("no Python") if made is None else _examined(subject, made, text)

    return round


def _take_low_descriptors() -> None:
    """What is opened from now on gets descriptors that no mutant closes: `with open(255)` is a function's own code."""
    last = 0
    with open(os.devnull, "rb") as nothing:
        while last < KEPT_APART:
            last = os.dup(nothing.fileno())


def _source(subject: Subject, corpus: Corpus, choose: random.Random) -> str:
    """The text of a mutant in a function that gives it; empty where no text can be made."""
    node = as_def(subject.tree)
    mutator = Mutator(node, corpus.trees, choose)
    for _ in range(choose.choices(*CHANGES)[0]):
        mutator.mutate()
    free = subject.function.__code__.co_freevars
    try:
        inner = ast.unparse(ast.fix_missing_locations(node))
    except (ValueError, AttributeError, RecursionError):
        return ""
    lines = "\n".join(f"    {line}" for line in inner.splitlines())
    return f"def outer({', '.join(name for name in free if name != '__class__')}):\n{lines}\n    return {node.name}\n"


def _mutant(subject: Subject, text: str, seed: int) -> types.FunctionType | None:
    """The function that the text gives, with the original's names; None of what is no Python."""
    function, file = subject.function, f"{MUTANT}{seed}>"
    names = dict(function.__globals__)
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exec(compile(text, file, "exec", dont_inherit=True), names)
        made = names["outer"](**{name: cell.cell_contents for name, cell in cells if name != "__class__"})
    except (SyntaxError, ValueError, KeyError, RecursionError):
        return None
    made.__defaults__, made.__kwdefaults__ = function.__defaults__, function.__kwdefaults__
    linecache.cache.pop(f"{MUTANT}{seed - 1}>", None)
    if subject.source[1] is not None:
        linecache.cache[subject.source[0]] = subject.source[1]
    linecache.cache[file] = (len(text), None, text.splitlines(True), file)
    return subject.changed(made)


def _examined(subject: Subject, made: types.FunctionType, text: str) -> Outcome:
    """Compiles and loads it."""
    print(text, file=sys.stderr)  # for whom it kills
    signal.setitimer(signal.ITIMER_PROF, PATIENCE, 0.5)
    about = f"-- {subject.prog_type.name}, by {'.'.join(subject.path) or 'itself'}\n{text}"
    try:
        with vm.backend(subject.world), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if subject.hook is SPECS.get(subject.prog_type):
                create_prog(subject.prog_type, subject.context, made).close()
            else:  # how it is loaded its users alone know
                compile_prog(subject.prog_type, subject.context, made, hook=subject.hook)
    except TranslationError as error:
        shown = str(error)
        if error.span is None or not re.search(r"^ *\| *\^+", shown, re.M):
            return Outcome("refused without a line", f"{type(error).__name__}: {shown}\n{_raised()}{about}")
        return Outcome("refused")
    except VerifierError as error:
        if LACKS.search(error.log):
            return Outcome("of another hook")
        return Outcome(REJECTED, f"{error}\n{about}")
    except InternalCompilerError:
        return Outcome("internal errors", f"{_raised()}{about}")
    except EndlessError:
        return Outcome("endless in CPython")
    except BaseException:  # noqa: BLE001 - that is the question
        return Outcome("raw exceptions", f"{_raised()}{about}")
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return Outcome("loaded")


class EndlessError(BaseException):
    """The function's own code, which CPython runs while compiling, goes on and on."""

    expected_anywhere = True
    """In a finalizer too, where nobody gets it."""


def _stop(_number: int, frame: types.FrameType | None) -> None:
    """Ends Python code that CPython runs for the compiler; if the compiler itself hangs, its parent process notices."""
    called = False
    while frame is not None:
        ours = frame.f_code.co_filename.startswith(LIBRARY)
        if called and ours and frame.f_globals.get("__name__") in (host.__name__, iterators.__name__):
            raise EndlessError
        called = called or not ours
        frame = frame.f_back


def _raised() -> str:
    return traceback.format_exc()
