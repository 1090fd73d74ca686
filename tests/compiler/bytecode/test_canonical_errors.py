"""Unsupported instructions are reported with their names and places; so is code that isn't CPython's bytecode."""

from __future__ import annotations

import gc
import opcode
import subprocess
import sys
import textwrap
from types import CodeType, FunctionType

import pytest

import py2bpf.compiler.bytecode as bytecode
from py2bpf.compiler.bytecode import Instr, Op, decode, rules
from py2bpf.exception import InternalCompilerError, Py2BpfError

UNSUPPORTED = {
    "try/except": """
        def f(a):
            b = 1
            try:  # here
                b = a.x
            except ValueError:
                b = 2
            return b
        """,
    "try/except (bare, in a loop)": """
        def f(a):
            for i in a:
                if i:
                    try:  # here
                        i()
                    except:
                        pass
        """,
    "try/except (all on one line's body)": """
        def f(a):
            try: a.x  # here
            except ValueError as error: return error
            else: return 3
        """,
    "try/except (first in a loop)": """
        def f(a):
            while True:
                try:  # here
                    return a.x
                except (ValueError, TypeError):
                    continue
        """,
    "try/except (returning early)": """
        def f(a):
            try:  # here
                if a.x:
                    return a.y
                return a.z
            except ValueError:
                return 1
        """,
    "try/finally": """
        def f(a):
            try:  # here
                a.x()
            finally:
                a.y()
        """,
    "try/except (with finally)": """
        def f(a):
            try:  # here
                a.x()
            except ValueError:
                a.z()
            finally:
                a.y()
        """,
    "try/except*": """
        def f(a):
            try:  # here
                a.x()
            except* ValueError:
                return_value = 1
        """,
    "yield": """
        def f(a):
            b = a
            yield b  # here
        """,
    "yield (never reached)": """
        def f(a):
            if a:
                return 1
            return 2
            yield a
        """,
    "yield from": """
        def f(a):
            b = a
            yield from b  # here
        """,
    "await": """
        async def f(a):
            b = a
            await b  # here
        """,
    "async for": """
        async def f(a):
            async for b in a:  # here
                pass
        """,
    "async with": """
        async def f(a):
            async with a:  # here
                pass
        """,
    "async def": """
        async def f(a):  # here
            return a
        """,
    "import": """
        def f(a):
            import socket  # here
            return socket
        """,
    "import (from)": """
        def f(a):
            from socket import htons  # here
            return htons(a)
        """,
    "class": """
        def f(a):
            b = 1
            class C:  # here
                pass
            return C
        """,
    "del of a global": """
        def f(a):
            global b
            if a:
                del b  # here
        """,
}
if sys.version_info >= (3, 12):
    UNSUPPORTED["type alias"] = """
        def f(a):
            type A = int  # here
        """
    UNSUPPORTED["type parameters"] = """
        def f(a):
            def g[T](x: T) -> T:  # here
                return x
        """
if sys.version_info >= (3, 14):
    UNSUPPORTED["t-string"] = """
        def f(a):
            return t'{a}'  # here
        """


def compiled(source: str) -> FunctionType:
    namespace: dict[str, FunctionType] = {}
    exec(compile(textwrap.dedent(source), "user.py", "exec"), namespace)
    return namespace["f"]


def unsupported(code: CodeType) -> list[Instr]:
    """The unsupported instructions of a function and the functions in it."""
    found = [block.instrs[-1] for block in decode(code).blocks if block.instrs[-1].op is Op.UNSUPPORTED]
    for constant in code.co_consts:
        if isinstance(constant, CodeType) and not found:
            found += unsupported(constant)
    return found


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_unsupported(name):
    source = textwrap.dedent(UNSUPPORTED[name])
    lines = [number for number, line in enumerate(source.splitlines(), 1) if "# here" in line]
    first, *others = unsupported(compiled(source).__code__)
    assert first.arg == name.partition(" (")[0]
    assert not others
    assert first.span.line == (lines[0] if lines else 2)
    assert first.span.filename == "user.py"
    assert first.span.end_line is not None and first.span.end_line >= first.span.line


def test_code_before_an_unsupported_statement_stays():
    """The evaluator may find that the statement is never reached: `if DEBUG: import pdb`."""
    code = compiled(
        """
        def f(a):
            if DEBUG:
                import pdb
            return a
        """
    ).__code__
    ends = sorted(block.instrs[-1].op.name for block in decode(code).blocks)
    assert ends == ["BRANCH", "RETURN", "UNSUPPORTED"]


def test_cleanup_is_no_try():
    code = compiled(
        """
        def f(a):
            b = [x for x in a]
            c = {x: [y for y in x] for x in a}
            return [lambda: x for x in b], c
        """
    ).__code__
    assert not unsupported(code)


def test_unknown_opcode(monkeypatch):
    code = compiled("def f(a):\n  return -a").__code__
    number = opcode.opmap["UNARY_NEGATIVE"]
    version = bytecode._version()
    for table, entry in (("plain", None), ("handlers", rules._unknown)):
        entries = [*getattr(version, table)]
        entries[number] = entry
        monkeypatch.setattr(version, table, entries)
    with pytest.raises(InternalCompilerError, match=r"user\.py:2: unknown opcode UNARY_NEGATIVE"):
        decode(code)


def test_code_without_end():
    code = compiled("def f(a):\n  return a").__code__
    raw = bytearray(code.co_code)
    raw[-2:] = bytes((opcode.opmap["NOP"], 0))
    with pytest.raises(InternalCompilerError, match=r"user\.py:2: the code has no end"):
        decode(code.replace(co_code=bytes(raw)))


def test_every_opcode_has_a_rule():
    """The unsupported instructions that CPython's compiler puts into functions."""
    known = bytecode._version()
    specialised = getattr(opcode, "_specialized_opmap", {})
    never = {"INTERPRETER_EXIT", "RESERVED", "ENTER_EXECUTOR", "EXIT_INIT_CHECK", "TRACE_RECORD"}
    for name, number in opcode.opmap.items():
        if name in specialised or name in never or name.startswith("INSTRUMENTED_") or number > 255:
            continue
        handler = known.handlers[number]
        assert known.plain[number] or handler is None or handler.__name__ != "_unknown", name


def test_unsupported_python(monkeypatch):
    bytecode._version.cache_clear()
    monkeypatch.setattr(sys, "version_info", (3, 99, 0))
    try:
        with pytest.raises(Py2BpfError, match=r"3\.99; it knows 3\.11, 3\.12, 3\.13"):
            decode(compiled("def f(a): return a").__code__)
    finally:
        bytecode._version.cache_clear()


def test_the_same_code_is_decoded_once_and_forgotten_with_it():
    function = compiled("def f(a): return a")
    decoded = decode(function.__code__)
    assert decode(function.__code__) is decoded
    key = id(function.__code__)
    assert key in bytecode._decoded
    del function, decoded
    gc.collect()
    assert key not in bytecode._decoded


def test_another_codes_number_is_no_proof():
    """The cached result of one code object is never returned for a later one at the same address."""
    former, code = compiled("def f(a): return a").__code__, compiled("def f(a, b): return a + b").__code__
    decode(former)
    bytecode._decoded[id(code)] = bytecode._decoded[id(former)]
    assert decode(code).argnames == ("a", "b")


def test_same_text_elsewhere_is_another_function():
    """Code objects that compare equal may come from different places."""
    one = compile("def f(): pass", "one.py", "exec").co_consts[0]
    two = compile("def f(): pass", "two.py", "exec").co_consts[0]
    assert (decode(one).filename, decode(two).filename) == ("one.py", "two.py")


def test_needs_no_kernel_and_no_extension():
    script = (
        "import sys; sys.modules['py2bpf._core'] = None; import py2bpf.compiler.bytecode; "
        "assert not any(name.startswith('py2bpf.kernel') for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
