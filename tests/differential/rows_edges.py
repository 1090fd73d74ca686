"""Constructs at the ends of what there is: numbers of 64 bits, loops of many turns, many booleans. See constructs.py."""

# ruff: noqa: E501 - a construct a line

from __future__ import annotations

from templates import Row

_TOP = "$[0x7fffffffffffffff - ($i & 3)|(1 << 63) - 1]"
_BOTTOM = "$[($i & 3) - 0x8000000000000000|-(1 << 63)]"

SIGNED = {
    "edge: sum of a range": Row(1, "sum(@v & 7 for @v in range(0x7fffffffffffffff - ($x & 7), 0x7fffffffffffffff, $[1|2|3]))"),
    "edge: length of a range": Row(1, "len(range(0x7fffffffffffffff - ($i & 15), 0x7fffffffffffffff - ($i & 3), $[1|2|5]))"),
    "edge: largest numbers": Row(2, "($i $[&|^] $[0x7fffffffffffffff|-0x8000000000000000|-0x7fffffffffffffff])"),
    "edge: quotient": Row(1, "($[-0x8000000000000000|0x7fffffffffffffff] $[//|%] $i)"),
}

CONDITION = {
    "edge: in a range": Row(1, "$i in range($[0x7ffffffffffffff0|-0x8000000000000000], $[0x7fffffffffffffff|0x7ffffffffffffffd], $[1|2|7])"),
    "edge: with an end": Row(2, "$n $[<|<=|==|>|>=] $[0x7fffffffffffffff|-0x8000000000000000|0xffffffffffffffff|0x8000000000000000|0x10000000000000000]"),
    "edge: all signs": Row(1, "$i $[<|>=] $u"),
}

STATEMENT = {
    "edge: range to the top": Row(3, f"@t = {_TOP}\nfor @k in range(@t - $[1|2|5], @t, $[1|2|3]):\n    $loop{{@k}}", 5),
    "edge: range from the bottom": Row(1, f"@t = {_BOTTOM}\nfor @k in range(@t, @t + $[1|4], $[1|3]):\n    $loop{{@k}}", 4),
    "edge: range to the bottom": Row(3, f"@t = {_BOTTOM}\nfor @k in range(@t + $[1|2|5], @t, -$[1|2|3]):\n    $loop{{@k}}", 5),
    "edge: range of u64 to the top": Row(1, "@t = 0xffffffffffffffff - ($u & 3)\nfor @k in range(@t - $[1|2|5], @t, $[1|2|3]):\n    $w1 = ($w1 & 0xffffff) + (@k & 3)\n    $loop", 5),
    "edge: huge steps": Row(2, "for @k in range($i, $i, $[1 << 62|(1 << 63) - 1|-(1 << 62)|-(1 << 63)]):\n    $loop{@k}", 4),
    "edge: range beyond": Row(1, "for @k in range($[0|$i & 3], $[1 << 63|(1 << 63) - 1|1 << 64]):\n    if @k > $[3|5]:\n        break\n    $loop{@k}", 7),
    "edge: reversed range": Row(1, "for @k in reversed(range(0x7ffffffffffffff0, 0x7fffffffffffffff, $[5|7])):\n    $loop{@k}", 3),
    "edge: enumerated": Row(1, "for @k, @v in enumerate(r.row, 0x7ffffffffffffff0):\n    $x1 = (@k & 0xff) + @v\n    $loop{@v}", 4),
    "booleans stored": Row(1, "@l = (c_uint8 * 16)()\n" + "\n".join(f"@l[{i}] = {name} {sign} $k" for i, (name, sign) in enumerate(zip("acdefacdefacdefa", "><>!<>>!<><>>!<>", strict=True))).replace("! ", "!= ") + "\n$x = @l[$m]", alone=True),
    "long: calls": Row(2, "for @k in range($[500|800|450 + ($i & 255)]):\n    $x1 = $[digest|tangle]($x1, @k) + $[digest|tangle](@k, $x1 & 0xff)", 800, long=True),
    "long: calls and work": Row(1, "for @k in range($[500|700]):\n    $x1 = digest($x1, @k)\n    H[@k & 3] = tangle(@k, $x1)\n    if $x1 & 0xff == $[3|77]:\n        $x1 ^= digest(@k, 5)", 700, long=True),
    "long: while": Row(1, "@n = $[600|500 + ($i & 255)|550 + ($i & 127)]\nwhile @n > 0:\n    @n -= 1\n    $x1 = tangle($x1, @n) ^ tangle(@n, 3)", 755, long=True),
    "long: loops in loops": Row(1, "for @k in range($[24|$i & 31]):\n    for @v in range($[40|@k|40|4]):\n        $x1 = digest($x1, @v) ^ digest(@k, @v)", 1200, long=True),
    "long: packet loads": Row(1, "for @k in range($[6000|5000 + ($i & 1023)]):\n    $x1 = ($x1 & 0xffff) + funcs.load_skb_$[byte|short|word](ctx, @k & $[7|3])", 6000, long=True, hooks=("socket_filter", "sched_cls")),
    "long: short": Row(1, "for @k in range($[2|$i & 3]):\n    $x1 = digest($x1, @k) + digest(@k, $x1 & 0xff)", 3),
}

PRELUDE = """
def digest(x, y):
    z = (x ^ y) & 0xffff
    z += z << 3
    z ^= z >> 5
    kind = z & 3
    if kind == 0:
        z = (z * 31 + x) & 0xffffff
        if z > 0x800000:
            z -= 0x1234
        z ^= (z >> 7) + (y & 3)
        z = (z << 1 | z >> 3) & 0xffffff
        if z % 7 == 3:
            z += 9
        z = z * 3 + (z >> 4) - (y & 7)
    elif kind == 1:
        z = (z * 17 - y) & 0xffffff
        if z & 64:
            z ^= 0x5a5a
        z += (z >> 3) ^ (x & 15)
        z = (z << 2 | z >> 5) & 0xffffff
        if z % 5 == 1:
            z -= 7
        z = z * 5 + (z >> 6) - (x & 31)
    elif kind == 2:
        z = (z * 13 + (x ^ y)) & 0xffffff
        if z < 0x1000:
            z |= 0x4321
        z -= (z >> 2) & 0xff
        z = (z << 3 | z >> 1) & 0xffffff
        if z % 9 == 2:
            z ^= 0x33
        z = z * 7 + (z >> 2) + (y & 63)
    else:
        z = (z * 11 ^ x) & 0xffffff
        if z & 0x8000:
            z += y & 0xff
        z ^= (z >> 9) + (x & 7)
        z = (z << 4 | z >> 7) & 0xffffff
        if z % 3 == 0:
            z += 21
        z = z * 9 - (z >> 8) + (x & 3)
    return (z ^ x) & 0xffffff

def tangle(p, q):
    kind = (p ^ q) & 3
    p = (p & 0xfffff) * 5 + 1
    if kind == 0:
        p ^= p >> 9
        if p & 16:
            p -= 3
        q = (q + p) & 0xffff
        p = (p + q * 7) & 0xffffff
        p ^= (q << 4) | (p >> 11)
        if q % 6 == 5:
            p += q & 0x3f
    elif kind == 1:
        p += p >> 4
        if p & 8:
            p ^= 0x77
        q = (q ^ p) & 0xfff
        p = (p - q * 3) & 0xffffff
        p ^= (q << 5) | (p >> 7)
        if q % 4 == 2:
            p -= q & 0x1f
    elif kind == 2:
        p |= p >> 2
        if p & 32:
            p += 0x11
        q = (q | p) & 0x7fff
        p = (p ^ q * 9) & 0xffffff
        p += (q << 2) | (p >> 6)
        if q % 8 == 1:
            p ^= q & 0x7f
    else:
        p -= p >> 6
        if p & 4:
            p |= 0x101
        q = (q - p) & 0x3fff
        p = (p + q * 11) & 0xffffff
        p ^= (q << 1) | (p >> 3)
        if q % 5 == 4:
            p += q & 0xf
    return (p ^ q) & 0xffffff
"""
