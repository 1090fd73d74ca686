"""Whole programs that were once compiled wrongly, or refused by the verifier, each as small as it can be."""

from __future__ import annotations

from collections import Counter

import pytest
from fuzz import SAMPLES
from grammar import Program
from pools import Pool
from samples import samples
from verdicts import Kind, examine

pytestmark = [pytest.mark.kernel, pytest.mark.filterwarnings("ignore::py2bpf.exception.MixedSigns")]

PATIENCE = 120
"""Seconds: the verifier may take some to give up."""

PROGRAMS = {
    "an index narrowed by a power of a quotient": """
z = (d // 1000 & 3) ** (f & 7)
return (5 if d >= z else r.name[d & 7]) in r.row""",
    "a shift whose count turns out constant, and too large": """
n = (c & 1) * (c & 2) & 4
n <<= 65535 if d >= -10 else d
r.i16 = H[max(e, n, 256) & 1]
return r.i16 & n""",
    "a text copied over a longer one, through a pointer made before": """
x = 0
for _ in range(3):
    n = (c_char * 8)()
    r.name = b"12345678"
    funcs.probe_read_kernel_str(r.name, 8, n)
    x += r.name[f & 3]
    r.name = b""
return x""",
    "an attribute of None before a division by zero": "S[H[e]].bytes += c // r.b3",
    "an index out of bounds before a division by zero": "m = R[0]\nif m is not None:\n    m[d] += c // r.b3",
    "an index that is a shifted constant": "m = (Inner * 3)()\nm[0 >> (d & 15)].y = d.bit_count()\nreturn m[0].y",
    "packet loads in a loop without a bound": """
n = e
while n > 1000:
    n //= 4
    S[funcs.load_skb_byte(ctx, 9) & 3] = Traffic(bytes=n, last=W[d])
    r.u32 ^= funcs.load_skb_word(ctx, n & 63)
return r.u32""",
    "packet loads from the headers on": """
t = 0
for k in range(funcs.bswap64(d % -3) & 7):
    t += funcs.load_skb_short(ctx, k * 9) ^ funcs.load_skb_byte(ctx, 3) + (H.get(k) or 5)
return t""",
    "a loop that a known value enters and goes on": """
n = 5
while n:
    n -= 1
    if all((r.b3, c >= f, e)):
        continue
    r.u8 += n
return r.u8""",
    "an array that its loop changes": """
r.row = (d, 2, c, 4)
t = 0
for v in r.row:
    t = t * 5 + v
    r.row[v & 3] += t & 0xff
    if v == 9:
        r.row = (7, 7, 7, 7)
return t""",
    "a loop's mask that a remainder needs not": """
t = 0
for k in range((e % 3) & 15):
    if H.get(k) == t:
        t += 5
    H[k] = t
return t""",
    "a loop's mask that a shifted zero needs not": """
t = a
for k in range((0 << (e & 31)) & 7, -1, -1):
    S[2].bytes += (e & 3) in L
    t //= B[0]
return t""",
    "a loop's mask that a quotient needs not": """
n = (d & 5) // (e + 1) & 15
while n > 0:
    n -= 1
    r.u32 |= d
return r.u32""",
    "is with what may be None or a bool": """
o = None if c & 1 else bool(d & 2)
p = None if c & 4 else e > 3
x = 0
match o:
    case True:
        x = 1
    case False:
        x = 2
    case None:
        x = 3
x += (o is True) * 4 + (o is not False) * 8 + (o is p) * 16 + (p is not (c > 5)) * 32 + (p is True) * 64
return x""",
    "is with missing structures and numbers": """
return (S.get(77) is H.get(77)) + (S.get(1) is H.get(1)) * 2 + (S[a & 3] is None) * 4""",
    "a large mask of a small index": "y = (e % 3) & 100\nreturn r.row[y]",
    "a mask that has just the range of a remainder": "y = (e % 4294967295) % 4 & 3\nreturn r.row[y]",
    "an array that enumerate() and zip() go through, and the loop changes": """
r.row = (d, 2, c, 4)
t = 0
for i, v in enumerate(r.row, 1):
    t = t * 5 + v * i
    r.row[v & 3] = t & 0xff
for v, w in zip(r.row, reversed(r.row)):
    t = (t * 5 + v ^ w) & 0xffff
    r.row[t & 3] = v
return t""",
    "a list that its loop changes": """
l = [d, 2, f]
t = 0
for v in l:
    t = t * 5 + v
    l[2] = t & 0xff
    if len(l) < 5:
        l.append(t & 7)
for i, v in enumerate(l):
    l[-1] = v
    t = (t + v * i) & 0xffff
return t + l[-1]""",
    "None behind an augmented assignment's missing item": "H[d] ^= H.get(7)\nK[d, 1, 0] += U.get(9)",
    "None in a tuple for an array in a map": """
m = R.setdefault(d & 3, (c_uint32 * 4)(1, 2))
if m is not None:
    m[:2] = (c, H.get(e & 7))
S[d & 3] = (1, c, H.get(f & 7), 3, 1, b"ab")
r.row = (5, H.get(e & 7))""",
    "an attribute of a number that is None": "x = H.get(e & 3).bit_length()\nreturn x + H.get(d & 3).bit_count()",
    "a number for None in a loop": """
o = H.get(d & 3)
t = 0
for k in range(c & 7):
    o = 5 if o is None else o
    t = (t + o * k) & 0xffff
    if t > 100:
        o = H.get(k & 3)
return t""",
    "a divisor that is 0 in code that is never reached": """
u = b
z = c
for k in range(3):
    u = U.get(k + 90, 0) if MODE == "slow" else u & 0
    z //= 1 - u
return z // (u + (u >> 3)) if c & 1 else e""",
    "an index from before a loop that tests it": """
y, n = d, e
while n:
    n //= 3
    r.u32 += y < c < e
y >>= 6
return r.row[y & 3]""",
    "a loop that a number from before another loop bounds": """
n, t = e, 0
while n:
    n //= 3
    t += d < c
for k in range(d >> 4):
    t += k * a
return t""",
    "a list whose length two loops in a row leave open": """
l = [d, f, 3]
for v in l:
    l[-1] = v & 0xff
    if len(l) < 5:
        l.append(v & 7)
    if H.get(c & 3) == v:
        break
return c & 7""",
    "a default of a dict that is None": """
t = CODES.get(d & 7, H.get(e & 3))
l = [CODES.get(c & 7, t), 3]
return 5 if l[0] is None else l[0] ^ l[1]""",
    "a dict that is asked for None": """
m = {1: 5, None: 6, 3: 7}
q, p = H.get(d & 7), H.get(e & 7)
x = m.get(q, 9) + CODES.get(p, 9) + (5 if CODES.get(q) is None else 3) + (q in m)
y = m[p if p in m else 3]
return x * 10 + y + CODES[q]""",
    "a default of a map that is None": """
t = H.get(e & 7, H.get(d & 7))
x = W.pop(c & 7, t)
y = U.get(d & 7, CODES.get(c & 7, W.pop(e & 7, None)))
t = -1 if t is None else t
return t ^ (100 if x is None else x) ^ (200 if y is None else y & 255)""",
    "an object that may be None as a default": """
o = T[e & 7]
g = S.get(d & 3, o)
if g:
    g.bytes = 77
    g.packets += 1
x = S.pop(c & 3, o)
if x is not None:
    x.last = 9
s = Traffic(1, 2, 3)
p = S.pop(c & 3, s)
p.small = 5
return s.small + (o.last if o else 0)""",
    "None as setdefault's default": """
W.setdefault(c & 7, H.get(d & 3))
W.setdefault(d & 7, None)
W.setdefault(e & 7)
A.setdefault(c & 15, H.get(e & 3))
S.setdefault(c & 7, T[d & 7])
S.setdefault(d & 7, None)
S.setdefault(e & 7)""",
    "what an entry that is there is not replaced by": """
x = H.add(d & 3, c)
y = H.add(e & 3, H.get(c & 3))
return x - y""",
    "None for a truth": """
r.inner.flag = H.get(d & 3)
r.inner = (c, H.get(e & 3), 2)
r.inner.flag = None
x = Inner(1, H.get(c & 3)).flag
return x + r.inner.flag""",
    "an attribute of None that None is assigned to": "o = S[d & 7]\no.bytes = H.get(e & 7)",
    "a bound around a loop without a second turn": """
r = Rec(u64=b, i16=f)
for v in r.row:
    o = (c_char * 16)()
    x = (o == b"random program") + o[tuple((r.u8 for w in range(3)))[0] & 3] + o[1]
    n = 0
    while True:
        n += 1
        if n > d & 7 or e <= 9223372036854775808:
            break
        t = (c_char * 16)()
        funcs.probe_read_kernel_str(t, 8, r.name)
        X[4] = t
        if Pair(a & 3, a & 1) == (2, r.i32 & 1, 7):
            z = d // 2
            break
        l = (c_uint8 * 8)()
        z = funcs.skb_load_bytes(ctx, ctx.len & 127, l)
        x = l[1 * a & 1] ^ l[1]
        if X[e & 3] != None:
            break""",
    "None that is the greatest by a key": """
t = max(H.get(d & 7), c & 255, 15, key=lambda v: b & 1)
u = min(H.get(d & 7), H.get(e & 7), None, key=lambda v: (b >> 1) & 1)
OUT[0] = 3 if t is None else 4
return 5 if u is None else u & 15""",
    "None as an object": """
S[d & 3] = T[e & 7]
T[c & 3] = S[d & 7]
T[0] = S[e & 7]
V.value = S[c & 7]
Q.output(ctx, S[d & 7])""",
    "None as a helper's object": """
o = S[d & 7]
if c & 1:
    funcs.memcpy(o, r.inner, 4)
elif c & 2:
    return funcs.mem_eq(o, b"abc")
elif c & 4:
    return funcs.bswap16(H.get(d & 7))
else:
    funcs.packet_copy(ctx, 2, o)
t = [H.get(e & 3)] * 2
return 5 if t[1] is None else 6""",
    "None at an index out of bounds": "r.row[c] = H.get(d & 3)",
    "None that is printed": "print(H.get(d & 3), f'{H.get(e & 3)} {c}')\nreturn 5",
    "a for that ends in its first round, in a while": """
n = d
while n := n >> 1:
    for k in range(0, (n ^ c) & 15, 3):
        raise IndexError()
return n""",
    "a while whose condition has a loop, and which continues": """
n, z = 0, e
while True:
    n += 1
    if n > d & 7 or H.get(min(v for v in range(z & 7) if v != 3) & 3) is None:
        break
    if n & 255:
        continue
    z = 3
return n""",
    "a range whose end is known in the first round": """
y, t, n = 12, 0, c & 15
while n > 0:
    n -= 1
    t += max(v ^ 9223372036854775807 for v in range(1 + (y & 7))) & 255
    y = H[n & 3]
return t""",
    "a truth value shifted": "y = (r.b3 != f) << (d & 62)\nreturn y",
    "an index into two arrays of different lengths": """
m = Cells()
s = Traffic(packets=d, last=m.cells[d & 3].x)
m.grid[e & 1][c % 3] = m.big[d & 3]
return m.big[d & 3]""",
    "an index that finds no register": """
m = Wire()
n = Words()
t = Wire()
y = t.port ^ t.addr
u = t.wide
for k in range(min(~(m.kind % 7), 9)):
    x = H[3]
    if all((d, c < f, a)):
        pass
i = r.inner
i.y += max((v ^ (y if -64 != d else f) for v in WEIGHTS))
s = Traffic(packets=b // c + -d, last=ctx.len)
s.level = (d or n.bytes[d & 3]) & max((v for v in range(d & 7) if v & d))
Q.output(ctx, s)
OUT[3] = u
OUT[4] = n.half[y % 2]""",
}

PACKET_PROGRAMS = {
    "no number that is the greatest by a key": "return max(ctx.packet(c_uint32, 12), 100, 15, key=lambda v: c)",
    "no number that is the least by a key": """
y = c & 3
return min(100, ctx.packet(c_uint32, 12), key=lambda v: CODES[y])""",
    "locks in an unrolled loop that is left, in a loop without a bound": """
n = 0
while True:
    n += 1
    if n > (d & 7) or any((H[d & 3], c < e, e | f)):
        break
    del S[min(v for v in range(d & 7) if v & 7) & 3]
    m = B[2]
    for k in range(3):
        with F.lock(k) as held:
            if not held:
                break
            held.size ^= m + k
return n""",
    "an iterator's loop with many branches": """
x = c
y = e
z = a
r = Rec(u64=b, i16=f)
r.i64 = P[c & 3]
W[f & 7] -= sum((c, c, 255)) >> (min((v for v in range(x & 7) if v != r.u16)) & 15)
for k in range(H[r.i8 & 7] * (e & 7) & 3, 8):
    match (r.b3 + c & 1, f + f & 3):
        case [0, 0]:
            p = ctx.packet(c_uint8 * 8, 14)
            if p is not None:
                p[7] = mix(k, c)
                x = p[r.i32 & 7] + p[3]
            z = ctx.packet(c_uint32, 15 & 3)
        case [1, n]:
            F[2] = Locked(count=steps.apply(f), size=H[0], level=7)
            r.i8 = not x
            r.s5 |= r.i64
        case [0, 1 | 2]:
            if S[a & 3] is not None:
                del K[(r.i64 | f) & 7, 1, min((v ^ z for v in (y, 2, 10))) & 7]
            else:
                r.row[0:3] = r.row[1:4]
            assert not 1 != x
    o = ctx.packet(c_uint16, min((v ^ r.u8 for v in WEIGHTS)) & 63)
    if o is not None:
        x = o ^ sum((v & 255 for v in (y, 7, z) if d != 100))
p = ctx.packet(c_uint8 * 8, sum(((v & 65535) * (abs(x) & 4095) for v in WEIGHTS)) & 63)
r.s5 = funcs.bswap32(r.i8) & z >> (z & 15)""",
}
"""Those that see their packet as structures."""


@pytest.mark.parametrize("body", PROGRAMS.values(), ids=list(PROGRAMS))
@pytest.mark.parametrize("hook", ["socket_filter", "sched_cls"])
def test_agrees(body: str, hook: str, pools: list[Pool]) -> None:
    agrees(body, hook, pools)


@pytest.mark.parametrize("body", PACKET_PROGRAMS.values(), ids=list(PACKET_PROGRAMS))
@pytest.mark.parametrize("hook", ["xdp", "sched_cls"])
def test_agrees_with_packets(body: str, hook: str, pools: list[Pool]) -> None:
    agrees(body, hook, pools)


def agrees(body: str, hook: str, pools: list[Pool]) -> None:
    lines = ["sample = IN[0]", *(f"{name} = sample.{name}" for name in "abcdef"), "r = Rec(i8=a, u32=c)"]
    source = "def program(ctx):\n" + "".join(f"    {line}\n" for line in (*lines, *body.splitlines()))
    verdict = examine(Program(source, hook, Counter()), samples(body, 5 * SAMPLES), pools, seconds=PATIENCE)
    assert verdict.kind is Kind.AGREE, f"{verdict.kind.value}\n{verdict.detail}\n{source}"
    assert verdict.samples > 2 * SAMPLES
