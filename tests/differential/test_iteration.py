"""Iterating over objects that change meanwhile, and copies of arrays: CPython, the kernel and the embedded VM agree."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from runner import DEFAULT, FALLBACK, PACKET, _define, _register

import py2bpf.vm
from py2bpf.datastructures import ArrayMap
from py2bpf.prog import ProgType, create_prog
from py2bpf.socket_filter import SkBuffContext

INPUTS = (0, 1, 2, 3, 5, 50, 99, 200, 255)

PRELUDE = """import itertools
from ctypes import Structure, c_int8, c_uint8, c_uint16, c_uint32
class P(Structure):
    _fields_ = [("x", c_uint32), ("b", c_uint8 * 6), ("long", c_uint8 * 24)]
"""

CASES: dict[str, str] = {
    "a list's item": """
c=[1, 2, 3]
t = 0
for x in c:
    c[2] = 10 + a
    t += x
return t""",
    "append to the list": """
c=[1, a]
t = 0
for x in c:
    if len(c) < 6:
        c.append(x + 3)
    t = t * 3 + x
return t""",
    "pop from the list": """
c=[1, a,3,4]
t = 0
for x in c:
    t = t * 3 + x
    c.pop(0)
return t""",
    "enumerate an array": """
v = (c_uint32 * 4)(1, 2, 3, a)
t = 0
for i, x in enumerate(v):
    v[3] += 5
    t = t * 7 + x * i
return t""",
    "zip a list and an array": """
v = (c_uint32 * 4)(1, 2, 3, a)
c=[5,a,7]
t = 0
for y, x in zip(c,v):
    v[2] += 5
    c[2]=a+1
    t = t * 7 + x * y
return t""",
    "an array backwards": """
v = (c_uint32 * 4)(1, 2, 3, a)
t = 0
for x in reversed(v):
    v[0] += 5
    t = t * 7 + x
return t""",
    "a list backwards that gets shorter": """
v = [1, 2, 3, a]
t = 0
for x in reversed(v):
    v[0] += 5
    t = t * 7 + x
    if len(v) > 2:
        v.pop()
return t""",
    "values, items and keys of a dict": """
d = {1: a, 2: 3, 3: 4}
t = 0
for x in d.values():
    d[3] = a + 7
    t = t * 7 + x
for k, x in d.items():
    d[3] = a + 9
    t = t * 7 + x*k
for k in d:
    d[3] = a + 2
    t += k * d[k]
return t""",
    "a view sees a new key": """
d = {1: a, 2: 3}
w = d.values()
d[3] = 5
return sum(w) + len(w) + (5 in w)""",
    "a dict that grows raises": """
d = {1: a, 2: 3}
for k in d.keys():
    d[k + 2] = 1
return 7""",
    "a generator over an array": """
v = (c_uint32 * 4)(1, 2, 3, a)
g = (x for x in v)
v[1] = 9 + (a&1)
return sum(g)""",
    "a generator whose function changes the list": """
v = [1, 2, 3, a]
def f(x):
    v[3] = 7
    return x
return sum(f(x) for x in v)""",
    "one iterator in two loops": """
v = [1, 2, 3, a]
e = enumerate(v)
t = 0
for i, x in e:
    for j, y in e:
        t += 10 * i + y
        break
for i, x in e:
    t+=100
return t + x""",
    "zip of one iterator": """
e = reversed([1, 2, 3, a])
t=0
for x, y in zip(e, e):
    t = t * 10 + x * y
return t""",
    "a slice is a copy": """
v = (c_uint8 * 4)(1, 2, 3, a & 255)
old = v[:]
v[3] = 7
old[0] = 300
old.append(5)
return sum(old) + v[0]""",
    "a long slice is a copy": """
v = (c_uint8 * 20)(1, 2, 3, a & 255)
old = v[:]
v[3] = 7
old[0] = 300
old.append(5)
return sum(old) * 2 + v[0] + old[3] + old[-2] + len(old)""",
    "assigning to slices": """
v = (c_uint8 * 6)(1, 2, 3, a & 255,5,6)
v[1:] = v[:-1]
v[:2] = (a, 5)
w = (c_uint8 * 6)()
w[:] = v
w[::-1] = v[:]
w[1:4] = [x + 1 for x in v[3:]]
t = 0
for x in w:
    t = t * 7 + x
return t & 0xffffff""",
    "assigning to long slices that overlap": """
v = (c_uint8 * 40)(1, 2, 3, a & 255,5,6)
v[1:] = v[:-1]
old = v[:]
v[0] = 77
v[:20]=old[20:]
v[20:]=v[:20]
v[:] = old
t = 0
for x in v:
    t = t * 7 + x & 0xffffff
return t""",
    "functions of a large array": """
v = (c_uint8 * 100)(1, 2, 3, a & 255,5,6)
v[a % 100] = 200
t = 0
for x in v:
    t = t * 7 + x & 0xffffff
s = sum(v) + max(v) + min(v) + any(v) + all(v) + (3 in v)
c = tuple(v)
return t + s + c[3]""",
    "slices that change places": """
v = (c_uint8 * 12)(1, 2, 3, a & 255,5,6)
v[:6], v[6:] = v[6:], v[:6]
p = P()
q = P()
p.b[:] = v[6:]
q.b[:4] = p.b[:4]
q.b[4:] = p.b[4:]
t=0
for x in q.b:
    t = t * 7 + x & 0xffffff
return t""",
    "slices of structs refer to them": """
v = (P * 3)()
old = v[:]
v[1].x = a & 255
t = old[1].x
for p in v:
    v[2].x = 9
    t = t * 7 + p.x
v[:2] = v[1:]
return t * 3 + v[0].x + v[1].x * 5""",
    "a copy in a loop that changes the array": """
v = (c_uint8 * 4)(1, 2, 3, a & 255)
d = (c_uint8 * 4)()
old = v[:]
t = 0
for i in range(a & 63):
    d[:] = old
    v[0] += 1
    t += d[0]
return t + v[0]""",
    "iterators given to functions of Python": """
d = {2: 1, 1: 3}
e = sorted(d.items())
f = dict(zip([1, 2], [3, 4]))
return e[0][1] + f[2] + a""",
    "iterators unpacked": """
x, *y = enumerate([a, 3, 4])
p, q = zip((1, 2), [a, 4])
return x[1] + y[1][1] + p[1] * q[1]""",
    "a loop at run time over a large array": """
v = (c_uint32 * 100)()
v[a % 100] = 5
n = 0
for x in v:
    n += 1
    if x == 5:
        break
else:
    n = 1000
return n + x""",
    "a loop at run time that changes the array": """
v = (c_uint32 * 100)()
n = 0
for x in v:
    n = n + 1
    v[n % 100] += x + n
return n + x & 0xffffff""",
    "iter() and next()": """
it = iter((a, 2, 3))
first = next(it)
t = sum(it)
return (first * 100 + t) * 10 + sum(it) + next(it, 7)""",
    "next() of an iterator at its end raises": """
it = iter([a])
next(it)
return next(it)""",
    "iterators of maps, filters and chains are used up": """
t = 0
for it in (map(int, "12"), filter(None, (0, 3)), itertools.chain((4,), "5")):
    for x in it:
        t = t * 7 + int(x) + a
    for x in it:
        t += 1000
return t""",
    "pairs of one iterator": """
it = iter((1, a, 3, 4))
t = 0
for x, y in zip(it, it):
    t = t * 50 + x * y
return t""",
    "a function that takes an item": """
def take(items):
    for x in items:
        return x
    return 0
it = iter((1, a, 3))
return take(it) * 100 + take(it) * 10 + take(it) + take(it)""",
    "any, all and in stop at a constant": """
it = iter((0, 1, a, 0, 3, 5))
t = any(it) * 1000 + next(it) * 100
return t + all(it) * 10 + (3 in it) + next(it)""",
    "a loop goes on in another": """
it = enumerate((a, 2, 3, 4, 5))
t = 0
for i, x in it:
    for k, y in it:
        t = t * 10 + i * k + x * y
        break
return t""",
    "an iterator left by break": """
e = enumerate([a, 3])
for i, x in e:
    if x == 3:
        break
return i""",
    "a generator of a list": """
v = [a, 1]
g = (x for x in v)
return sum(g)""",
    "a generator over a dict's items": """
d = {1: a, 2: 3, 3: 4}
g = (k * v for k, v in d.items())
d[2] = 8
return sum(g)""",
    "a comprehension over a large array": """
v = (c_uint16 * 70)(a, 2, 3)
l = [x * 2 for x in v]
v[0] = 1
return l[0] + len(l) + l[a % 3 * 0 + 1]""",
}


class Run:
    """A body compiled for the backend that is in force; ``A[0]`` is its input, a u32."""

    def __init__(self, body: str, stack: ExitStack) -> None:
        lines = ["a = A[0]", *body.strip("\n").splitlines()]
        self.source = PRELUDE + "def program(ctx):\n" + "".join(f"    {line}\n" for line in lines)
        name = _register(self.source)
        self.code: Any = compile(self.source, name, "exec")
        self.input = stack.enter_context(ArrayMap(ctypes.c_uint32, 1))
        compiled = _define(self.code, {"A": self.input})
        self.prog = stack.enter_context(create_prog(ProgType.SOCKET_FILTER, SkBuffContext, compiled))

    def compiled(self, a: int) -> int:
        self.input[0] = a
        return self.prog.test_run(PACKET).retval

    def python(self, a: int) -> int:
        try:
            result = _define(self.code, {"A": [a]})(None)
        except (ArithmeticError, ValueError, LookupError, RuntimeError, StopIteration):
            return FALLBACK
        return (DEFAULT if result is None else int(result)) & 0xFFFFFFFF


@pytest.fixture(params=["vm", pytest.param("kernel", marks=pytest.mark.kernel)])
def stack(request: pytest.FixtureRequest) -> Iterator[ExitStack]:
    with ExitStack() as stack:
        if request.param == "vm":
            stack.enter_context(py2bpf.vm.backend())
        yield stack


@pytest.mark.parametrize("body", CASES.values(), ids=list(CASES))
def test_agrees(body: str, stack: ExitStack) -> None:
    run = Run(body, stack)
    for a in INPUTS:
        assert run.compiled(a) == run.python(a), f"a = {a}\n{run.source}"
