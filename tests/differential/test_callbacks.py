"""Loops as callbacks of bpf_loop, as iterators and as plain loops, over all that a program may hold on to: views of the
packet, spin locks, values that may be None, records. CPython, the kernel and the VM agree, and the verifier accepts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from compiled import Compiled
from fuzz import LOOPS, SAMPLES
from grammar import Program
from pools import Pool
from samples import samples
from verdicts import Kind, examine

from py2bpf import disasm

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.filterwarnings("ignore::py2bpf.exception.MixedSigns", "ignore::py2bpf.exception.PossiblyNone"),
]

PROGRAMS = {
    "a number that the verifier forgets": """
n = (e >> 22) - 1 if e > 1 << 30 else 900
while n:
    n -= 1
    G.value = e and a
m = R[a - e & 1]
m[e >> 32 & 1] = (b.bit_length() & 15) ** 5
return e & 0xff""",
    "a view from before the loop": """
p = ctx.packet(Wire, 14)
if p is None:
    return 1
t = 0
for k in range(e & 1023):
    t += p.kind ^ k
    if t > 5000:
        return p.port
return t + p.less""",
    "a view that is made in the loop": """
t = 0
for k in range(e & 1023):
    p = ctx.packet(Wire, k & 63)
    if p is None:
        break
    t += p.port + p.kind
else:
    t ^= 77
return t""",
    "a view that may be None inside": """
p = ctx.packet(Wire, d & 31)
t = 0
for k in range(e & 511):
    if p is not None and p.rest != k & 7:
        t += p.rest
    else:
        t += 3
return t + (0 if p is None else p.kind)""",
    "a view used by loops in loops": """
p = ctx.packet(Wire, 14)
t = 0
for k in range(e & 255):
    for v in range(d & 15):
        t ^= p.kind + v * k
    r.u32 = max(v ^ p.rest for v in (d, e, 5))
    if t > 1 << 20:
        return t & 0xffff
q = ctx.packet(c_uint8, d & 63)
return t if q is None else q + p.kind""",
    "a context that only a view needs": """
p = ctx.packet(Wire, 14)
for v in (e, d, f):
    for k in range(0, H[p.kind & 7] & 15, 3):
        r.u32 = max((w ^ p.rest for w in (a, c, d)))
return r.u32 & 0xffff""",
    "an entry before the loop": """
m = T[d & 3]
if m is None:
    return 2
for k in range(e & 1023):
    m.bytes += k
    if m.bytes > 100000:
        break
return m.bytes & 0xffff""",
    "an entry that may be None": """
m = T[d & 3]
t = 0
for k in range(e & 1023):
    if m is not None:
        t += m.packets & 0xff
        m.last ^= k
    else:
        t += 1
return t""",
    "an entry asked for in every turn": """
t = 0
for k in range(e & 1023):
    m = T[k & 7]
    if m is None:
        t += 3
        continue
    m.last += 1
    if m.last > 50:
        return m.bytes & 0xff
    t ^= m.bytes & 0xffff
return t""",
    "the last entry that was found": """
m = T[1]
for k in range(e & 1023):
    n = T[k & 7]
    if n is not None:
        m = n
return 5 if m is None else m.last""",
    "an entry that is handed out": """
n = e & 1023
m = None
while n:
    n -= 1
    m = T[n & 7]
    if m is not None and m.packets == 2:
        break
if m is None:
    return 9
m.last = n
return m.bytes & 0xffff""",
    "an object of the stack that a nested loop fills": """
x, y, u = c, f, b
n = e & 511
while n:
    n -= 1
    if 3 < u <= d:
        m = r.inner
        m.y ^= ~c
        r.inner = Inner(r.u16, (d, 5) == (n, c), max(y, d, 1000))
    if 3 not in S:
        continue
else:
    m = r.inner
    m.y ^= (r.u32 if c != e else c) if r.name[1] & 1 else x & 1
    x = r.inner.y + m.x
return x & 0xffff""",
    "numbers that many ways out hand over": """
x, y = c, f
for k in range(e & 511):
    for v in range(d & 31):
        if v == c:
            x += k
            break
        if v * k == f & 255:
            y -= v
            continue
        if x == y:
            return (x ^ v) & 0xffff
    else:
        x += 1
    if x > 1000:
        break
return (x * 3 + y) & 0xffff""",
}
LOADS = {
    "packet loads in loops": """
n, t = e, 0
while n > 100:
    n //= 4
    t ^= funcs.load_skb_byte(ctx, 9)
    r.u32 ^= funcs.load_skb_short(ctx, n & 63)
for k in range(d & 63):
    for v in range(k & 7):
        t += funcs.load_skb_byte(ctx, v * 3)
return (t ^ r.u32) & 0xffff""",
    "packet loads beside loops": """
t = funcs.load_skb_byte(ctx, d & 31)
for k in range(e & 4095):
    t += k ^ r.row[k & 3]
    if t > 100000:
        break
return t + funcs.load_skb_short(ctx, 6)""",
}
STARTS = {
    "an object that is written beside numbers that begin with constants": """
x, z = d, e
for k in range(d & 3, 8):
    r.i16 &= H[5]
    if K[1, 2, 0] & 3 in H:
        t = ((e >= r.i8) + (f <= 0), 1099511627776, 0)
        p, x, q = t
        x = p ^ q ^ t[1]
    else:
        H[3] = triple(r.i16)
    r.row[x & 3] = 3
    s = Flow(7, 8, kind=(r.s5 & 3) ** (z & 7))
    z = s.source + s.port * s.kind
return (x + z) & 0xffff""",
}
LOCKED = {
    "a lock before the loop": """
with F.lock(7) as m:
    y = 3 if m is None else m.size
p, q = 0, 7
while p < q:
    if (e if r.b3 != 64 else y) in S:
        p += 1
    else:
        q -= 1
return q""",
    "a lock in every turn": """
t = 0
for k in range(e & 1023):
    with F.lock(k & 7) as m:
        if m is not None:
            m.size ^= k
            t += m.count
return t""",
    "a lock that is held where the loop is left": """
for k in range(e & 1023):
    with F.lock(k & 7) as m:
        if not m:
            return 16
        m.size ^= d + k
        if m.size == 77:
            return m.count
return 5""",
    "a lock that a break gives back": """
t = 0
while t < e:
    with F.lock(1) as m:
        if m is None:
            break
        m.count += 1
        if m.count & 15 == d & 15:
            break
    t += 1
return t & 0xff""",
    "what Python would raise while a lock is held": """
t = 0
for k in range(e & 1023):
    with F.lock(k & 3) as m:
        if m is None:
            continue
        m.size += 1
        t += (a & 0xff) // (m.count - k)
return t & 0xffff""",
    "a lock in a loop in a loop": """
t = 0
for k in range(e & 255):
    for v in range(d & 15):
        with F.lock(k & 3) as m:
            if not m:
                return 7
            m.total += v
            t ^= m.level
            if t == 3:
                break
return t & 0xffff""",
}


def check(body: str, hook: str, loops: str, pools: list[Pool]) -> None:
    lines = ["sample = IN[0]", *(f"{name} = sample.{name}" for name in "abcdef"), "r = Rec(i8=a, u32=c)"]
    source = "def program(ctx):\n" + "".join(f"    {line}\n" for line in (*lines, *body.splitlines()))
    verdict = examine(Program(source, hook, Counter()), samples(body, 3 * SAMPLES), pools, LOOPS[loops])
    assert verdict.kind is Kind.AGREE, f"{verdict.kind.value}\n{verdict.detail}\n{source}"
    assert verdict.samples > SAMPLES


@pytest.mark.parametrize("body", PROGRAMS.values(), ids=list(PROGRAMS))
@pytest.mark.parametrize("loops", ["iterators", "bpf_loop"])
@pytest.mark.parametrize("hook", ["sched_cls", "xdp"])
def test_agrees(body: str, hook: str, loops: str, pools: list[Pool]) -> None:
    check(body, hook, loops, pools)


@pytest.mark.parametrize("body", [*LOADS.values(), *STARTS.values()], ids=[*LOADS, *STARTS])
@pytest.mark.parametrize("loops", ["iterators", "bpf_loop"])
def test_socket_filters(body: str, loops: str, pools: list[Pool]) -> None:
    check(body, "socket_filter", loops, pools)


@pytest.mark.parametrize("body", LOCKED.values(), ids=list(LOCKED))
@pytest.mark.parametrize("loops", ["iterators", "bpf_loop"])
def test_locks(body: str, loops: str, pools: list[Pool]) -> None:
    check(body, "xdp", loops, pools)


def test_no_iterator_is_destroyed_while_a_lock_is_held(pools: list[Pool]) -> None:
    """As Linux before 6.14 wants it: only the lock's own helpers are called between them."""
    for body in list(LOCKED.values())[1:]:
        source = "def program(ctx):\n    sample = IN[0]\n    a, d, e = sample.a, sample.d, sample.e\n" + "".join(
            f"    {line}\n" for line in body.splitlines()
        )
        spec = Compiled(Program(source, "xdp", Counter()), pools[0], LOOPS["iterators"]).spec
        assert "bpf_iter_num_destroy" in spec.kfuncs
        assert not list(calls_while_locked([disasm.text(insn) for insn in spec.code]))


def calls_while_locked(code: list[str]) -> Iterator[str]:
    """The calls, but those that take and give back locks, that a walk over all paths meets while a lock is held."""
    labels = {line[:-1]: i for i, line in enumerate(code) if line.endswith(":")}
    work, seen = [(0, False)], set()
    while work:
        at, held = work.pop()
        if (at, held) in seen or at >= len(code):
            continue
        seen.add((at, held))
        line = code[at]
        if line.startswith("call "):
            name = line.split()[1]
            if held and name not in ("spin_unlock", "spin_lock"):
                yield f"{at}: {line}"
            held = (held or name == "spin_lock") and name != "spin_unlock"
        if line == "exit":
            continue
        if "goto " in line:
            work.append((labels[line.split("goto ")[1]], held))
        if not line.startswith("goto "):
            work.append((at + 1, held))
