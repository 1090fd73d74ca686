"""Bodies of programs for test_hostile_programs.py: some capture hostile_objects.py, others make no sense."""

from __future__ import annotations

import re

OF_P = """
return p.p
return p.q
return p + 1
return p + [1]
return 1 + p
return -p
return abs(p)
if p: return 1
return not p
return p and 1
return p if p else 1
while p: return 1
assert p
for x in p: return 1
x, y = p
return [*p]
return [x for x in p]
return sum(x for x in p)
return any(p)
return max(p)
return sorted(p)
return next(iter(p))
for i, x in enumerate(p): return i
for x, y in zip(p, [1]): return x
for x in map(p, [1]): return x
return dict(p)
return tuple(p)
return list(reversed(p))
return p[0]
p[0] = 1
del p[0]
p.x = 1
return len(p)
return 1 in p
return p == 1
return p < 1
return p()
return p.m()
return p(1)
return int(p)
return [1, 2][p]
return hash(p)
return {p: 1}
return {p}
return repr(p)
return str(p)
return f"{p}"
print(p)
print(f"{p}")
return "%d" % p
return "{}".format(p)
with p: return 1
return one(*p)
return one(**p)
return isinstance(p, OfMeta)
return vars(p)
return bytes(p)
return c_uint8(p).value
return funcs.ktime_get_ns(p)
skb.mark = p
hm[p] = 1
hm[1] = p
return p in hm
del hm[p]
g.value = p
return p
raise p.p
return inner()
return [p.p for x in range(3)]
return max(items, key=p)
return (lambda: p.p)()
try:
    return p.p
except ValueError:
    return 1
try:
    return 1
finally:
    p.p
match skb.len:
    case p.q: return 1
class Q(p): pass
def h(x=p.p): return x
"""
"""Each is tried on an object whose methods raise a ValueError; its text must be in the error where Python calls one."""

OF_OTHERS = """
return _.p
return _ + 1
if _: return 1
for x in _: return x
return _[0]
print(_)
return len(_)
return _.m()
"""
"""The same for errors of other classes."""

ENDS_THE_RUN = {"KeyError": {"return _ + 1", "if _: return 1", "return _[0]"}}
"""What Python raises at run time, and a program counts."""

REFUSED = """
return (one if skb.len else two)() + skb.len * 3 - skb.mark // 2
return (one if skb.len else 5)() + skb.len * 3 - skb.mark // 2
return (one if skb.len else None)() + skb.len * 3 - skb.mark // 2
return (one if skb.len else two)(x=1) + skb.len * 3 - skb.mark // 2
return (hm.get if skb.len else hm.pop)(1) + skb.len * 3 - skb.mark // 2
return (c_uint8 if skb.len else c_uint16)(3).value + skb.len * 3 - skb.mark // 2
return (funcs.ktime_get_ns if skb.len else funcs.get_prandom_u32)() + skb.len * 3 - skb.mark // 2
return [one, two][skb.len]()
return {1: one, 2: two}[skb.len]()
return skb.len * 10**5000
return skb.len % 10**5000
return skb.len // 10**5000
return skb.len & 10**5000
return 10**5000
return hm[10**5000]
return hm[2**70]
hm[1] = 10**5000
g.value = 10**5000
return c_uint8(10**5000).value
return divmod(10**5000, 7)[0]
return min(skb.len, 10**5000)
return [1, 2, 3][skb.len % 10**5000]
return (skb.len, 10**5000)[1]
for i in range(skb.len, 10**5000): return i
for i in range(0, skb.len, 10**5000): return i
return 1 << 2**40
return 2**(2**40)
return 10**10**10
return pow(2, 2**40)
return "a" * 2**40
return 2**30 * b"ab"
return [0] * 2**40
return (1, 2) * 2**40
return (skb.len, 1) * 2**40
return [skb.len] * 2**40
x = 2; x **= 2**50; return x
x = "a"; x *= 2**50; return 1
return len("%9999999999d" % 1)
return len(f"{1:9999999999}")
return len(format(1, "9999999999"))
return int("9" * 5000)
items[::(1, 2)] = [9]
return items[-2**70:2**70]
return items[::0]
return items[skb.len::0]
range(1, 2, 0)
return range(2**70)[skb.len]
return len(range(2**70))
return skb.len * Fraction(1, 3)
return skb.len * nan
return round(nan)
return again(skb.len)
for x in later(): pass
return sum(later())
return attributes.y
return OfMeta.x
return OfMeta()
return len(OfMeta)
return isinstance(skb.len, OfMeta)
return no_class.x
return isinstance(no_class, int)
return len(nonsense)
if nonsense: return 1
return items[nonsense]
for x in nonsense: return x
return {nonsense: 1}
print(nonsense)
return repr(nonsense)
print(endless)
return endless == 1
return endless.x
return len(endless)
if endless: return 1
hm[endless] = 1
return nothing[0]
return nothing()
return len(nothing)
for x in nothing: return 1
return 1 in nothing
if nothing: return 1
return hash(nothing)
return hm[text]
print(f"{text == 'abc'}")
return values[0]
for x in values: return x
return len(values)
for x in raises_later: pass
return sum(raises_later)
return described.d
return missing[1]
return slots.x
return recursive[0][0]
return repr(recursive)
return deep[skb.len]
return released[0]
return len(released)
return closed.read()
return gone.x
return gone + 1
if gone: return 1
print(gone)
return gone == skb.len
hm[gone] = 1
return fails_by_default[skb.len]
s = Hidden(); s.x = 5; return s.y
s = HiddenArray(); return s.v[0]
s = Deleted(1); return s.x
s = RaisingInit(1); return s.x
return Either(1, 2, 3).x
return pair.a
return RaisingData().x
return RaisingData(1, 2, 3).x
return Colour.RED.shade
return Colour.BLUE
return Colour(7)
return ipaddress.ip_address("x")
return re.match("(", "a")
return eval("1+")
exec("import os")
import nope
from os import nope
return nonexistent.x
return hm.nope(1)
return hm.get()
return hm.get(1, 2, 3)
hm.update({1: skb.len})
for k in hm: return k
return hm + 1
return hm()
return -hm
return g + 1
g.nope = 1
return g.value[0]
return skb + 1
return skb()
for x in skb: return x
return len(skb)
print(skb)
hm[1] = skb
return skb.len.x
return skb.len()
return skb.len[0]
skb.len.x = 1
skb.len[0] = 1
del skb.len
return [skb.len].nope()
return [].pop()
return {skb.len: 1}
return {skb.len}
return "abc"[skb.len]
return float(skb.len)
return skb.len @ 1
return ~"a"
return -"a"
return +None
return None[0]
return None()
for x in None: return 1
x, y = 1
x, y = skb.len
x, y = [1, 2, 3]
x, *y = skb.len
return (yield)
return next(iter(skb))
def h(*, x): return x; return h()
return one(1)
return one(x=skb.len)
return super().x
"""
"""Rows with "; " have several statements."""

COMPILES = """
hm[1] += p
for i in range(2**63): return i
for i in range(10**5000): return i
return skb.len in several
return skb.len in tuple(range(341))
return skb.len in [(1, 2)] * 400
return skb.len in several and skb.mark in several
return attributes.x
return attributes[skb.len]
return skb.len < 10**5000
return skb.len == 10**5000
return skb.len in (10**5000,)
return skb.len ** 10**9
return skb.len ** 10**10000
return pow(skb.len, 10**10000)
return {10**5000: 1}[skb.len]
if 10**5000: return 1
return 1 // 0
return 1 << -1
return [skb.len][5]
return [skb.len].pop(5)
return [skb.len].pop(-2)
return (one or two)()
raise p
raise ValueError(10**5000)
assert skb.len, 10**5000
return skb.len == deep
return skb.len in recursive
return missing[skb.len]
return pair[0]
return Colour["BLUE"].x
return skb.len in ipaddress.ip_network("10.0.0.0/8")
"""
"""Python takes them; what it raises at run time is counted."""


def rows(table: str) -> list[str]:
    """Single lines, and the lines of a statement that has more."""
    found: list[str] = []
    for line in table.strip().splitlines():
        if line.startswith(" ") or re.match(r"(except|finally|case)\b", line):
            found[-1] += f"\n{line}"
        else:
            found.append(line)
    return found
