"""Constructs of further kinds of maps, of keys and values with gaps, and of tail calls. See constructs.py."""

# ruff: noqa: E501 - a construct a line

from __future__ import annotations

from templates import Row

SIGNED = {
    "e: item": Row(1, "E[$m]"),
    "m: item": Row(1, "M[$[$m|$i & 0xffff]]"),
}

CONDITION = {
    "m: is there": Row(1, "$m $[in|not in] $[M|E]"),
    "m: option": Row(1, "M.get($m) $[== $i|is None|is not None]"),
    "d: is there": Row(1, "$[Padded($m, 1)|($m, 1, 0, 0)] $[in|not in] D"),
}

STATEMENT = {
    "e: update": Row(2, "E[$m] $[+|-|^]= $i"),
    "e: store": Row(1, "E[$[$m|$i & 63]] = $i"),
    "e: delete": Row(1, "del E[$m]"),
    "m: store": Row(1, "M[$m] = $i", moves="M"),
    "m: update": Row(2, "M[$m1] = M[$m1] $[+|-|^] $i", moves="M"),
    "m: delete": Row(1, "del M[$m]"),
    "m: option, in place": Row(1, "@o = M.get($m)\nif @o is None:\n    $block\nelse:\n    $x = @o ^ $i"),
    "d: store": Row(2, "D[$[Padded($m, 1)|($m, 1, 0, 0)]] = Padded(a=$i, d=$i)", moves="D"),
    "d: entry": Row(2, "@f = Padded($m)\n@f.b = 1\n@e = D[@f]\nif @e is not None:\n    @e.c = $i\n    $block{@e:Padded/D}"),
    "d: copied key": Row(1, "@f = Nest(first=$i)\n@f.list[$[0|1]].a = $m\n@f.tight.inside = @f.list[1]\nD[@f.list[0]] = @f.tight.inside", moves="D"),
    "d: tuple": Row(1, "D[($m, 1, 0, 0)] = ($i, $u, $k, $i)", moves="D"),
    "tail call": Row(2, "if $c:\n    funcs.tail_call(ctx, J, $[0|1|2|3|$m])", alone=True),
}
