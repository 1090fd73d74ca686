"""Constructs of texts: char arrays, present and missing, as keys, in records, filled by helpers. See constructs.py."""

# ruff: noqa: E501 - a construct a line

from __future__ import annotations

from templates import Row

READERS = ("sched_cls", "xdp", "cgroup_skb")

CONDITION = {
    "text: compared": Row(3, "$t $[==|!=] $b"),
    "text: in a tuple": Row(2, "$t $[in|not in] ($b, $b)"),
    "text: begins": Row(1, "$t.startswith($b)"),
    "text: truth": Row(2, "$[|not ]bool($t)"),
    "text: slice": Row(2, "$t[$[1:3|:2|2:]] == $b"),
    "text: two of them": Row(1, "$t $[==|!=] $t"),
    "text: option compared": Row(3, "X$[[$m]|.get($m)] $[==|!=] $[$b|$b|None]"),
    "text: option and text": Row(1, "X.get($m) $[==|!=] r.name"),
    "text: option's truth": Row(3, "$[|not ]bool(X$[[$m]|.get($m)])"),
    "text: option in a tuple": Row(1, "X.get($m) $[in|not in] ($b, $[$b|None])"),
    "text: any option": Row(1, "$[any|all]((X.get($m), $c))"),
    "text: popped": Row(1, "(X.pop($m, None) $[== $b|is None|is not None])"),
    "text: of the packet": Row(3, 'ctx.packet(c_char * $[4|2|8], $[0|12|$i & 127]) $[==|!=] $[b"GET "|b""|$b]', hooks=READERS),
    "text: of the packet, or none": Row(1, "ctx.packet(c_char * 4, $i & 127) is $[|not ]None", hooks=READERS),
    "text: key is there": Row(2, 'b"$[ab|packet|xyz1|ab\\0cd]" $[in|not in] Y'),
    "text: own array's truth": Row(1, "bool((c_char * $[4|8])())"),
}

STATEMENT = {
    "text: option": Row(3, "@o = X$[[$m]|.get($m)]\nif @o$[| is not None]:\n    $block{@o:chars/X}"),
    "text: option that is missing": Row(2, "@o = X$[[$m]|.get($m)]\nif not @o:\n    $block\nelse:\n    $x = @o[$j]"),
    "text: option unchecked": Row(1, "$x = X[$m][$j]"),
    "text: store": Row(3, 'X[$m] = b"$[ab|packet||xyz1|ab\\0cd|a longer text]"', moves="X"),
    "text: store an array": Row(1, "@n = (c_char * 16)()\n@n[0] = $[97|98]\nX[$m] = @n", moves="X"),
    "text: delete": Row(1, "del X[$m]", moves="X"),
    "text: own array": Row(1, "@n = (c_char * $[4|8|16])()\n@n[0] = 97\n@n[$j] = $[98|0]\nif @n:\n    $block{@n:chars}"),
    "text: constant key": Row(2, 'Y[b"$[ab|packet|xyz1|ab\\0cd]"] $[=|+=|^=] $i'),
    "text: key": Row(3, "@n = (c_char * 8)()\nfuncs.probe_read_kernel_str(@n, $[|8, ]r.name)\nY[@n] $[=|+=|^=] $i\n$x = Y[@n] ^ Y.get(@n, $k)"),
    "text: field as a key": Row(2, "Y[r.name] $[=|+=|^=] $i\n$x = Y[r.name] ^ Y.get(r.name, $k)"),
    "text: constant with a NUL": Row(2, 'r.name = b"$[ab|packet]"\nr.name = b"$[ab\\0cd|\\0b|a\\0b]"\nY[r.name] = $i\n$x = r.name[$m]'),
    "text: constant in a key": Row(1, 'Z[Label(kind=$m, name=b"$[ab|a\\0b|]")] $[=|+=] $i'),
    "text: key in a struct": Row(2, "@f = Label(kind=$m)\nfuncs.probe_read_kernel_str(@f.name, r.name)\nZ[@f] $[=|+=] $i\n$x = Z[@f]"),
    "text: key is gone": Row(1, "@n = (c_char * 8)()\nfuncs.probe_read_kernel_str(@n, r.name)\n$x = Y.pop(@n, $k)"),
    "text: copied": Row(3, "@n = (c_char * $[8|16])()\n$x = funcs.probe_read_kernel_str(@n, $[8|8|3], r.name)\n$block{@n:chars}"),
    "text: copied over another": Row(1, '@n = (c_char * 8)()\n@n[$j] = 98\nr.name = b"12345678"\n$x = funcs.probe_read_kernel_str(r.name, $[5|8], @n)\n$x = r.name[$m]'),
    "text: copied into a value": Row(2, "@n = (c_char * 16)()\nfuncs.probe_read_kernel_str(@n, 8, r.name)\nX[$m] = @n", moves="X"),
    "text: record": Row(2, "@s = Traffic(last=$i)\nfuncs.probe_read_kernel_str(@s.name, $t)\nQ.output(ctx, @s)"),
    "text: record in place": Row(2, "@p = $i & 63\n@e = O.reserve()\nif @e$[| is not None]:\n    @e[$[1|2|15]] = $[97|98|0]\n    $[@e[0] = @p|funcs.probe_read_kernel_str(@e, 8, r.name)]\n    O.$[submit|submit|discard](@e)"),
    "text: record of an array": Row(1, "@n = (c_char * 16)()\n@n[$j] = $i & 63\nO.output(@n)"),
    "text: record with a text": Row(2, "@p, @q = $i, $i\n@e = RING.reserve()\nif @e$[| is not None]:\n    @e.last = @p\n    @e.bytes = @q\n    $[@e.name = b\"$[ab|a\\0b]\"|funcs.probe_read_kernel_str(@e.name, r.name)]\n    RING.$[submit|submit|discard](@e)"),
    "text: scratch": Row(2, "@e = C[0]\nif @e is not None:\n    funcs.probe_read_kernel_str(@e.name, r.name)\n    Y[@e.name] += 1\n    $x = @e.name[$m]"),
    "text: thread's name": Row(2, '@n = (c_char * $[16|8|24])()\n$x = funcs.get_current_comm(@n)\n$x = (@n == b"random program") + @n[$j] + @n[-1]'),
}
