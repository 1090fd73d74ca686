"""The language as tables: every construct of random functions. templates.py explains the holes."""

# ruff: noqa: E501 - a construct a line

from __future__ import annotations

import os

import rows_contexts
import rows_edges
import rows_maps
import rows_memory
import rows_objects
import rows_texts
from templates import Row

SKB = ("socket_filter", "sched_cls")
PACKETS = ("sched_cls", "xdp")

SIGNED = {
    "sum or difference": Row(8, "($i $[+|-] $i)"),
    "product": Row(4, "($i * $i)"),
    "small product": Row(5, "(($i & $[255|65535]) * ($i & 0xffff))"),
    "bits": Row(6, "($i $[&|^] $i)"),
    "or": Row(2, "($i | $i)"),
    "floor division": Row(3, "($i // $i)"),
    "modulo": Row(3, "($i % $i)"),
    "division by a constant": Row(4, "($i // $[2|3|7|16|1000|-3|-8])"),
    "modulo a constant": Row(4, "($i % $[2|3|7|16|1000|-3|-8])"),
    "masked": Row(6, "($i & $[1|7|255|0xffff|0xffffff|-16])"),
    "right shift": Row(4, "($i >> $s)"),
    "right shift by u64": Row(1, "($i >> ($u & 63))"),
    "left shift": Row(2, "($i << $s)"),
    "small left shift": Row(3, "(($i & 0xffff) << ($i & 31))"),
    "negation": Row(2, "(-$i)"),
    "inversion": Row(2, "(~$i)"),
    "abs": Row(2, "abs($i)"),
    "min": Row(2, "min($i, $i)"),
    "max": Row(2, "max($i, $i, $k)"),
    "conditional": Row(6, "($i if $c else $i)"),
    "and": Row(2, "($i and $i)"),
    "or else": Row(2, "($i or $i)"),
    "truth": Row(2, "bool($c)"),
    "sum of truths": Row(1, "(bool($c) + bool($c))"),
    "not": Row(1, "(not $i)"),
    "bit length": Row(1, "($n).bit_length()"),
    "bit count": Row(1, "($n).bit_count()"),
    "power": Row(1, "(($i & 15) ** $[0|1|2|3|5])"),
    "run-time power": Row(1, "(($i & 3) ** ($i & 7))"),
    "divmod": Row(1, "divmod($i, $[3|10|-7])[$[0|1]]"),
    "int": Row(1, "int($i)"),
    "sum of a tuple": Row(1, "sum(($i, $i, $k)$[|, $k|, start=$i])"),
    "walrus": Row(2, "((@w := $i) + (@w & $[1|255|4095]))"),
    "tuple item": Row(1, "($i, $i, $k)[$[0|1|-1]]"),
    "table": Row(2, "TABLE[$[0|3|-1]]"),
    "table at run time": Row(2, "TABLE[$m]"),
    "list item": Row(1, "WEIGHTS[$[0|2|-1]]"),
    "dict item": Row(1, 'NAMES["$[small|medium|large]"]'),
    "length of constants": Row(1, "len(NAMES)"),
    "comprehension": Row(1, "sum([(@v & 0xffff) * ($i{@v} & 0xfff) for @v in ($x, 2, $k)])"),
    "generator: sum": Row(2, "sum((@v & 0xffff) * ($i{@v} & 0xfff) for @v in $[($x, 2, $k)|WEIGHTS|range($x & 7)|range(5)])"),
    "generator: sum from": Row(1, "sum((@v & 0xffff for @v in ($x, 2, $k)), start=$k)"),
    "generator: sum with a condition": Row(1, "sum(@v & 0xff for @v in ($x, $k, $x) if $c{@v})"),
    "generator: sum of an array": Row(1, "sum(@v ^ $i{@v} & 255 for @v in r.row)"),
    "generator: extreme": Row(2, "$[min|max](@v ^ $i{@v} for @v in $[($x, 2, $k)|WEIGHTS|range(1 + ($x & 7))])"),
    "generator: extreme of some": Row(1, "$[min|max](@v for @v in $[($x, 2, $k)|range($x & 7)] if @v $[>|!=|&] $i)"),
    "generator: tuple": Row(1, "tuple($i{@v} for @v in range(3))[$[0|2|-1]]"),
    "dict at run time": Row(2, "CODES[$m]"),
    "dict at run time, or else": Row(2, "CODES.get($m, $i)"),
    "dict with None": Row(1, "({0: None, 1: $i, 3: None, 5: $k}.get($m$[|, $i]) or $i)"),
    "dict with None, item": Row(1, "({0: None, 1: $i, 2: 5, 3: None}[$m & 3] or $k)"),
    "united dicts": Row(1, "({1: $i, 2: $k} | $[CODES|{2: $i, 3: 5}])[$[1|2|3]]"),
    "item of a range": Row(2, "range($i & 15, $[40|30 + ($i & 31)], $[1|2|3])[$[$m|-1|-$m - 1|2]]"),
    "item of a range backwards": Row(1, "range($i | 63, $i & 15, -$[1|3|5])[$[$m|-1|0]]"),
    "extreme by a key": Row(2, "$[min|max]($i, $i, $k, key=$[lambda @v: @v & 0xff|lambda @v: -(@v >> 3)|lambda @v: $i{@v} & 0xffff])"),
    "extreme by a constant key": Row(1, "$[min|max]([($i, 3), ($i, 1), ($k, 3)], key=lambda @v: @v[1])[0]"),
    "extreme by a key of some None": Row(2, "($[min|max]($[None|H.get($m)|$i], $i, $[None|$k], key=lambda @v: $[7|-1] if @v is None else @v & $[255|15]) or $k)"),
    "among some None": Row(1, "(($i, None, H.get($m))[$m % 3] or $k)"),
    "narrow table": Row(1, "$[(3, -100, 70000, 250)|b'\\x00\\xff\\x7fa'|[1, 2, 1 << 40, -1]][$m & 3]"),
    "strict zip": Row(1, "tuple(zip(($i, $k), [$i, 3], strict=$[True|False]))[$[0|1|-1]][$[0|1]]"),
    "replaced namedtuple": Row(1, "Pair($i, $i)._replace($[second=$i|first=$i, kind=$k])$[.first|.second|.kind]"),
    "namedtuple from a list": Row(1, "Pair._make($[[$i, $i, $k]|($i, 2, $i)])$[.first|.kind|[1]]"),
    "namedtuple as a dict": Row(1, "Pair($i, $k)._asdict()[\"$[first|second|kind]\"]"),
    "namedtuple": Row(2, "Pair($i, $i$[|, $k|, kind=$i])$[.first|.second|.kind|[1]|[-1]]"),
    "method of a Struct": Row(1, "Event(pid=$i, delta=$i).change($[|$i|by=$k])"),
    "extreme of constants": Row(1, "$[min|max](WEIGHTS)"),
    "lambda": Row(2, "(lambda p, q=3: (p >> 1) $[^|+|&] (q >> 1))($i$[|, $i])"),
    "call": Row(8, "$call"),
    "swap": Row(2, "funcs.bswap$[16|32]($i)"),
    "method of a struct": Row(1, "Inner(x=$i, y=$i).total($[|3|$i])"),
    "array item": Row(1, "(c_int16 * 4)($i, $i, $k)[$j]"),
    "h: item": Row(2, "H[$m]"),
    "h: get with default": Row(1, "H.get($m, $i)"),
    "w: item with default": Row(1, "W[$m]"),
    "l: item": Row(1, "L[$m]"),
    "p: item": Row(1, "P[$m]"),
    "a: item": Row(2, "A[$m]"),
    "b: item": Row(1, "B[$j]"),
    "k: tuple as key": Row(1, "K[($m, $m, $[0|1])]"),
    "membership": Row(1, "($m $[in|not in] $[H|W|P|L|K2])".replace("|K2", "")),
    "context length": Row(2, "ctx.len", hooks=SKB),
    "g: value": Row(1, "G.value"),
    "packet number": Row(4, "ctx.packet(c_uint$[8|16|32], $[0|12|$m])", hooks=PACKETS),
    "context field": Row(1, "ctx.$[mark|priority]", hooks=("sched_cls",)),
    "packet byte": Row(1, "funcs.load_skb_byte(ctx, $[0|9|20|$m])", hooks=SKB),
    "packet short": Row(1, "funcs.load_skb_short(ctx, $[0|2|21|$i & 63])", hooks=SKB),
    "packet word": Row(1, "funcs.load_skb_word(ctx, $[0|12|17|$m + 4])", hooks=SKB),
}

UNSIGNED = {
    "sum": Row(4, "($u + $n)"),
    "difference": Row(1, "($u - $n)"),
    "product": Row(2, "(($u & 0xffffffff) * ($n & 0xffff))"),
    "wide product": Row(1, "($u * $n)"),
    "bits": Row(4, "($u $[&|^] $n)"),
    "or": Row(1, "($u | $n)"),
    "bits of both": Row(2, "($i & $u)"),
    "floor division": Row(3, "($u // $n)"),
    "modulo": Row(3, "($u % $n)"),
    "division by a constant": Row(2, "($u $[//|%] $[2|3|7|16|1000])"),
    "division of a number": Row(1, "(($i & 0xffffff) $[//|%] $u)"),
    "signed first": Row(2, "(($i & 0xfff) + $u)"),
    "right shift": Row(3, "($u >> $s)"),
    "left shift": Row(2, "(($u & 0xffff) << $s)"),
    "shift by u64": Row(1, "(($i & 0xff) << ($u & 63))"),
    "conditional": Row(3, "($u if $c else $u)"),
    "and": Row(1, "($u and $u)"),
    "min": Row(1, "min($u, $n)"),
    "max": Row(1, "max($n, $u)"),
    "swap": Row(2, "funcs.bswap64($n)"),
    "item": Row(3, "U[$m]"),
    "get with default": Row(1, "U.get($m, $u)"),
}

CONDITION = {
    "chosen str": Row(1, "(\"$[a|bc]\" if $c else \"c\") $[== \"c\"|!= \"a\"|in (\"a\", \"d\")]"),
    "comparison": Row(8, "$n $[<|<=|==|!=|>|>=] $n"),
    "with a constant": Row(6, "$n $[<|<=|==|!=|>|>=] $k"),
    "and": Row(3, "($c) and ($c)"),
    "or": Row(3, "($c) or ($c)"),
    "not": Row(2, "not ($c)"),
    "chain": Row(3, "$n $[<|<=|==|!=|>] $n $[<|<=|!=|>=] $n"),
    "bits": Row(3, "$n & $[1|4|255|0x200000000]"),
    "in a tuple": Row(2, "$i $[in|not in] ($k, $k, $i)"),
    "in a range": Row(1, "$i in range($[10|-5, 300|0, 1000, 7|50, -50, -3])"),
    "in a table": Row(1, "$i in $[WEIGHTS|TABLE]"),
    "equal tuples": Row(1, "($i, $i) $[==|!=] ($k, $i)"),
    "constant": Row(1, 'MODE $[==|!=] "fast"'),
    "any": Row(1, "$[any|all](($i, $c, $i))"),
    "any of a generator": Row(2, "$[any|all](@v $[<|!=|>=] $i{@v} for @v in $[($x, $k, 3)|WEIGHTS|range($x & 7)|range(4)])"),
    "in a dict": Row(1, "$m in CODES"),
    "equal namedtuples": Row(1, "Pair($i & 3, $i & 1) $[==|!=] $[Pair(1, 0)|(2, $i & 1, 7)]"),
    "h: is there": Row(2, "$m $[in|not in] $[H|L|U|P|W|S]"),
    "h: no number": Row(1, "H.get($m) is $[None|not None]"),
    "h: option": Row(1, "H.get($m) == $i"),
    "k: is there": Row(1, "($m, $m, 0) in K"),
    "s: no struct": Row(1, "S[$m] is $[None|not None]"),
    "walrus": Row(1, "(@w := $i) > $k or @w < $k"),
}

STATEMENT = {
    "assign": Row(12, "$x = $i"),
    "assign u64": Row(5, "$w = $u"),
    "augment": Row(8, "$x $[+|-|^|&|//|%]= $i"),
    "augment with or": Row(1, "$x |= $i"),
    "augment by shift": Row(2, "$x $[>>|<<]= $s"),
    "augment small product": Row(1, "$x1 &= 0xffff\n$x1 *= $i & 0xff"),
    "augment u64": Row(3, "$w $[+|^|&|//]= $n"),
    "reduce": Row(5, "$x1 = $i & $[7|255|0xffff|0xffffff]"),
    "swap": Row(2, "$x1, $x2, $x3 = $x2, $x3, $x1"),
    "multiple assignment": Row(1, "$x = $x = $i"),
    "walrus": Row(2, "$x = (@n := $i) & $k"),
    "tuple": Row(2, "@t = ($i, $k, $i)\n@p, $x, @q = @t\n$x = @p ^ @q ^ @t[1]"),
    "starred": Row(1, "@p, *@rest = ($i, $i, $i)\n$x = @p + len(@rest)\n$x = @rest[$[0|1|-1]]"),
    "nested tuple": Row(1, "(@p, (@q, @r)) = ($i, ($k, $i))\n$x = @p - @q & @r"),
    "list": Row(1, "@l = [$i, $k]\n@l.append($i)\n$x = @l[$[0|-1|2]]\n$x = len(@l) + sum(@l)"),
    "list item": Row(1, "@l = [$i, $i, 3]\n@l[$[0|1|-1]] = $i\n$x = @l[0] ^ @l[2]"),
    "slices": Row(1, "@l = ($i, $k, $i, 4)\n$x = sum(@l[$[1:|:2|-2:|::2]])"),
    "dict": Row(1, '@d = {"one": $i, 2: $i}\n@d[3] = $i\n$x = @d["one"] - @d[2] & @d.get($[3|4], 9)'),
    "dict asked at run time": Row(1, "@d = {1: $i ^ 1, 2: $k, 6: $i & 255}\n@d[$[1|4]] = $i ^ $k\n$x = @d$[[$m]|.get($m, $i)]"),
    "dict asked for what may be None": Row(1, "$x = CODES$[[H.get($m)]|.get(H.get($m), $i)]"),
    "row of fewer items": Row(1, "r.row = ($i, $k)\n$x = r.row[$j]"),
    "is: bool": Row(1, "@o = $c or $c\n@p = bool($c)\n$x = (@p is True) + (@p is not False) * 2 + (@p is (not @o)) * 4"),
    "is: bool or None": Row(2, "if $c:\n    @o = None\nelse:\n    @o = $[bool($c)|not $i|True]\n@p = None if $c else bool($c)\n$x = (@o is True) + (@o is not False) * 2 + (@o is @p) * 4 + (@p is not bool($c)) * 8"),
    "match: bool or None": Row(1, "@o = None if $c else bool($c)\nmatch @o:\n    case True:\n        $block\n    case None:\n        $block\n    case False:\n        $x = $i"),
    "dict: option": Row(1, "@o = CODES.get($[$m|CODES.get($m)])\nif @o is None:\n    $block\nelse:\n    $x = @o ^ $i"),
    "namedtuple unpacked": Row(1, "@t = Pair(second=$i, first=$k)\n@p, @q, @r = @t\n$x = @p - @t[1] ^ @r\n$x = @t.second + @q"),
    "namedtuple on paths": Row(1, "@t = Pair($i, $i)\nif $c:\n    @t = Pair($i, @t.first, 9)\n$x = @t.first - @t.second ^ @t.kind"),
    "generator: items": Row(1, "@l = $[list|tuple]($i{@v} for @v in ($x ^ 1, 3, $x & 15) if @v is not None)\n$x = @l[$[0|1|-1]] - @l[2]"),
    "output": Row(5, "OUT[$[0|1|2|3|$m]] = $n"),
    # branches
    "if": Row(8, "if $c:\n    $block"),
    "if else": Row(7, "if $c:\n    $block\nelse:\n    $block"),
    "elif": Row(4, "if $c:\n    $block\nelif $c:\n    $block\nelse:\n    $block"),
    "long elif": Row(1, "if $i == 0:\n    $block\nelif $c:\n    $block\nelif $c:\n    $block\nelif $i:\n    $block"),
    "if walrus": Row(2, "if (@n := $i) $[>|&|!=] $k:\n    $block{@n}"),
    "if constant": Row(1, 'if MODE == "$[fast|slow]":\n    $block\nelse:\n    $block'),
    "match classes": Row(2, "match $[$i|($i, $k)]:\n    case 3 | str():\n        $block\n    case int(@n):\n        $block{@n}\n    case tuple((@n, int())):\n        $block{@n}\n    case _:\n        $block"),
    "match numbers": Row(3, "match $i & 7:\n    case 0 | 1:\n        $block\n    case 5:\n        $block\n    case _:\n        $block"),
    "match guards": Row(2, "match $i:\n    case 3 if $c:\n        $block\n    case @n if @n > $k:\n        $block{@n}\n    case -1:\n        $block"),
    "match tuples": Row(2, "match ($i & 1, $i & 3):\n    case (0, 0):\n        $block\n    case (1, @n):\n        $block{@n}\n    case (0, 1 | 2):\n        $block"),
    "match constants": Row(1, "match MODE:\n    case \"slow\":\n        $block\n    case \"fast\":\n        $block"),
    # loops
    "for constant": Row(4, "for @k in range($[3|1, 5|6, 0, -2|0, 20, 7]):\n    $loop{@k}", 4),
    "for else": Row(2, "for @k in range($[3|2, 6]):\n    $loop{@k}\nelse:\n    $block", 4),
    "for long": Row(1, "for @k in range($[30|40]):\n    $x1 = ($x1 & 0xffffff) + @k\n    $loop{@k}", 40),
    "for run-time end": Row(4, "for @k in range($i & 7):\n    $loop{@k}", 7),
    "for run-time range": Row(2, "for @k in range($i & 3, $[8|$i & 7]):\n    $loop{@k}", 8),
    "for run-time step": Row(2, "for @k in range(0, $i & 15, 3):\n    $loop{@k}\nelse:\n    $block", 5),
    "for downwards": Row(2, "for @k in range($i & 7, -1, -1):\n    $loop{@k}", 8),
    "for min": Row(2, "for @k in range(min($i, 9)):\n    $loop{@k}", 9),
    "for u64 end": Row(1, "for @k in range($u & 7):\n    $x1 = ($x1 & 0xffffff) + int(@k)\n    $loop", 7),
    "for reversed": Row(1, "for @k in reversed(range($[4|2, 9, 3])):\n    $loop{@k}", 4),
    "for tuple": Row(3, "for @k in $[(1, -2, 300)|($i, 5, $i)|[7, $i]|WEIGHTS|LIMITS[1]]:\n    $loop{@k}", 3),
    "for enumerate": Row(2, "for @k, @v in enumerate($[($i, 9, $i)|WEIGHTS]):\n    $loop{@k,@v}", 3),
    "for enumerated range": Row(2, "for @k, @v in enumerate(range($i & 15)$[|, 5]):\n    $loop{@k,@v}", 16),
    "for zipped ranges": Row(1, "for @k, @v in zip(range($i & 7, 40, 7), $[r.row|range($i & 255, -9, -30)]):\n    $loop{@k,@v}", 6),
    "for zip": Row(1, "for @k, @v in zip(($i, 9, $i), WEIGHTS):\n    $loop{@k,@v}", 3),
    "for items": Row(2, "for @n, @v in NAMES.items():\n    $x1 += len(@n)\n    $loop{@v}", 3),
    "for limits": Row(1, "for @k, @v in LIMITS:\n    if $i < @k:\n        $x = @v\n        break\n    $loop{@k,@v}\nelse:\n    $x = 9", 3),
    "for simple, many": Row(1, "for @k in range($[1000|2000|300 + ($i & 1023)]):\n    $x1 = ($x1 & 0xffffff) + (@k ^ $[5|a|e])", 2000),
    "while down": Row(3, "@n = $i & $[7|15]\nwhile @n$[| > 0]:\n    @n -= 1\n    $loop{@n}", 15),
    "while up": Row(3, "@n = 0\nwhile @n < $[6|(d & 15)|min($x, 7)]:\n    @n += 1\n    $loop{@n}", 12),
    "while else": Row(2, "@n = $i & 7\nwhile @n:\n    @n -= $[1|2 - (@n & 1)]\n    $loop{@n}\nelse:\n    $block", 7),
    "while walrus": Row(1, "@n = $i & 0xff\nwhile (@n := @n >> 1):\n    $loop{@n}", 8),
    "while true": Row(2, "@n = 0\nwhile True:\n    @n += 1\n    if @n > $[5|(d & 7)] or $c:\n        break\n    $loop{@n}", 9),
    "while halving": Row(1, "@n = e\nwhile @n > $[1000|5]:\n    @n //= 4\n    $loop{@n}", 16),
    "while two ends": Row(1, "@p, @q = 0, $[7|9]\nwhile @p < @q:\n    if $c:\n        @p += 1\n    else:\n        @q -= 1\n    $loop{@p,@q}", 9),
    "search": Row(1, "for @k in range($[12|16]):\n    if (@k * $[3|7|d]) % 17 == $i & 15:\n        $x = @k\n        break\nelse:\n    $x = -1", 16),
    # ends
    "return": Row(2, "if $c:\n    return $[$i|$n|$k|]"),
    "assert": Row(2, "assert $c"),
    "assert with a message": Row(1, 'assert $c, "wrong"'),
    "raise": Row(1, 'if $c:\n    raise $[ValueError("wrong")|KeyError|RuntimeError(f"{$x} of {$x}")|IndexError()]'),
    "print": Row(1, '@n = $i\nprint("value", @n, f"is {@n & 255:x}")'),
    "unused": Row(1, "$i"),
    # structs on the stack
    "field": Row(8, "$f = $n"),
    "u64 field": Row(3, "$g = $n"),
    "field in place": Row(5, "$h $[+|-|&|^]= $i"),
    "field in place, or": Row(1, "$h |= $i"),
    "field with itself": Row(2, "$f1 = $f1 $[*|//|%|>>] $[3|7]"),
    "new inner": Row(2, "r.inner = Inner($i, $c, $i)"),
    "copy of inner": Row(2, "@s = Inner(y=$i)\n@s.x = $i\nr.inner = @s\n@s.y += 5\n$x = @s.y - r.inner.y"),
    "reference to inner": Row(2, "@s = r.inner\n@s.y $[+|^]= $i\n$x = r.inner.y + @s.x"),
    "array as a whole": Row(2, "@l = (c_uint16 * 4)($i, $i)\n@l[$j] = $i\nr.row = @l\n@l[0] += 1\n$x = r.row[0] - @l[0]"),
    "array from a tuple": Row(1, "r.row = ($i, $i, $k, $i)"),
    "array slice": Row(1, "r.row[$[1:3|:2|2:]] = ($i, $i)\n$x = sum(r.row[1:])"),
    "array slice from itself": Row(1, "r.row[$[0:3|1:4]] = r.row[$[1:4|0:3]]"),
    "for enumerated array": Row(1, "for @k, @v in enumerate(r.row$[|, 2]):\n    r.row[@k & 3] $[=|+=] $i{@v}\n    $loop{@k,@v}", 4),
    "for zipped array": Row(1, "for @k, @v in zip(r.row, $[r.row[1:]|reversed(r.row)|(3, $i, $i)]):\n    r.row[@v & 3] ^= @k\n    $loop{@k,@v}", 4),
    "for list that changes": Row(1, "@l = [$i, $i, 3]\nfor @v in @l:\n    @l[$[-1|0|1]] = $i{@v}\n    if len(@l) < $[3|5]:\n        @l.append(@v & 7)\n    $loop{@v}", 5),
    "for array": Row(2, "for @v in r.row:\n    $loop{@v}", 4),
    "for array that changes": Row(1, "for @v in r.row:\n    r.row[@v & 3] $[=|+=] $i{@v}\n    $loop{@v}", 4),
    "in an array": Row(1, "$x = $i in r.row"),
    "array length": Row(1, "$x = len(r.row) + len(r.name)"),
    "chars": Row(3, 'r.name = b"$[|abc|packet|12345678]"'),
    "chars compared": Row(3, 'if r.name $[==|!=] b"$[|abc|ab|packet]":\n    $block'),
    "chars begin": Row(2, 'if r.name.startswith(b"$[a|pac|]"):\n    $block'),
    "chars slice": Row(2, '$x = r.name[$[1:3|:2|2:]] == b"$[b|bc|ab|cket]"'),
    "char": Row(2, "r.name[$m] = $[97|98|0|$i & 255]"),
    "chars truth": Row(1, "if r.name:\n    $block"),
    "equal memory": Row(2, "$x = funcs.mem_eq(r.inner, Inner($i & 3, 0, $i & 3)$[|, 2|, 4])"),
    "equal constant": Row(1, '$x = funcs.mem_eq(r.name, b"$[ab|abc|packet]")'),
    "memcpy": Row(1, "@l = (c_uint8 * 8)($i, $i, 3, $i)\nfuncs.memcpy(@l, r.name, $[8|3|1])\n$x = r.name[1]"),
    "copy of a struct": Row(1, "@s = Rec()\n@s.u32 = $i\n@s.row = r.row\n$x = @s.row[1] + @s.u32"),
    "property": Row(1, "$x = r.sum"),
    "array of structs": Row(2, "@l = (Inner * 3)()\n@l[$j].y = $i\n@l[1].x = $i\n@l[2] = @l[1]\nfor @v in @l:\n    $x1 += @v.y - @v.x", 3),
    "array on the stack": Row(2, "@l = (c_$[int32|uint8|uint16|int64] * $[3|5])()\nfor @k in range($[3|H[$m] & 7]):\n    @l[@k] = $i{@k}\n$x = @l[0] ^ @l[-1]", 7),
    "struct of constants": Row(1, "@s = Flow(7, 8, kind=$i)\n$x = @s.source + @s.port * @s.kind"),
    # maps of numbers
    "h: store": Row(4, "H[$m] = $i"),
    "h: add": Row(4, "H[$m] $[+|-|^|&]= $i"),
    "h: multiply": Row(1, "H[$m1] $[*|//]= $[3|-7]"),
    "h: read": Row(3, "$x = H[$m]"),
    "h: branch": Row(2, "if $m1 in H:\n    $block\nelse:\n    H[$m1] = $i"),
    "h: delete": Row(2, "del H[$m]"),
    "h: option": Row(3, "@o = H.get($m)\nif @o is None:\n    $block\nelse:\n    $x = @o + $i"),
    "h: truth of an option": Row(1, "@o = H.get($m)\nif @o:\n    $x = @o ^ $i"),
    "h: option or number": Row(1, "@o = H.get($m)\n$x = 5 if @o is None else @o + 0"),
    "h: arithmetic on an option": Row(1, "$x = H.get($m) + $i"),
    "h: default that may be None": Row(2, "@o = $[H|W|L|P|CODES].get($m, $[H.get($m)|CODES.get($m)|None])\nif @o is None:\n    $block\nelse:\n    $x = @o ^ $i"),
    "h: pop, or None": Row(1, "@o = $[H|W|L|P].pop($m, $[H.get($m)|CODES.get($m)|None])\n$x = 9 if @o is None else @o ^ $i"),
    "h: setdefault": Row(2, "$x = $[H|H|W].setdefault($m, $[$i|$i|CODES.get($m)|None])"),
    "h: pop": Row(2, "$x = H.pop($m$[|, $i])"),
    "h: insert": Row(2, "$x = H.add($m, $i)"),
    "u: store": Row(2, "U[$m] = $n"),
    "u: add": Row(2, "U[$m] $[+|^|&]= $u"),
    "u: pop": Row(1, "$w = U.pop($m$[|, $u])"),
    "w: store": Row(2, "W[$m] = $n"),
    "w: add": Row(2, "W[$m] $[+|-|^]= $i"),
    "w: pop": Row(1, "$x = W.pop($m)"),
    "l: update": Row(2, "L[$i & 31] $[+|-|^]= $i"),
    "l: store": Row(1, "L[$m] = $i"),
    "p: update": Row(2, "P[$m] $[+|-|^]= $i"),
    "p: delete": Row(1, "P[$m] = $i\nif $c:\n    del P[$m]"),
    "a: store": Row(2, "A[$m] = $n"),
    "a: update": Row(3, "A[H[$m] & 15] $[+|-|^|&]= $i"),
    "a: outside": Row(1, "$x = A[H[$m]] + (($i & 15) in A)"),
    "b: update": Row(2, "B[$j] $[+|-|//]= $[3|$i]"),
    "k: store": Row(2, "K[$m, $m, $[0|1]] = $i"),
    "k: update": Row(2, "K[$m, 1, 0] $[+|-|^]= $i"),
    "k: struct as key": Row(1, "@f = Flow($m, $m)\n@f.kind = $[0|1]\nK[@f] += 1\n$x = K.get(@f, 0)"),
    "k: delete": Row(1, "del K[$m, 1, $m]"),
    # maps of structs
    "s: entry": Row(5, "@e = S$[[$m]|.get($m)]\nif @e is not None:\n    $block{@e:Traffic/S}"),
    "s: entry or return": Row(1, "@e = S[$m]\nif not @e:\n    return $k\n@e.packets += 1\n$x = @e.last"),
    "s: entry unchecked": Row(1, "S[$m].bytes += $i"),
    "s: attribute of None": Row(1, "$x = S[$m].last"),
    "s: store": Row(3, "S[$m] = Traffic(bytes=$i, last=$i, level=$k)", moves="S"),
    "s: store tuple": Row(1, 'S[$m] = ($u, $i, $i, $k, 1, b"ab")', moves="S"),
    "s: insert": Row(2, "$x = S.add($m, Traffic(1, $i))", moves="S"),
    "s: setdefault": Row(3, "@e = S.setdefault($m, Traffic(last=$i))\n@e.packets += 1\n@e.bytes $[+|-]= $i", moves="S"),
    "s: default": Row(1, "@e = S.$[get|pop]($m, $[T[$j]|T[$m]|Traffic(bytes=$i)|None])\nif @e:\n    @e.bytes = $i\n    $x = @e.last", moves="S"),
    "s: setdefault of what may be None": Row(1, "@e = S.setdefault($m, $[T[$m]|None])\nif @e:\n    @e.bytes = $i", moves="S"),
    "s: get or setdefault": Row(1, "@e = S.get($m1) or S.setdefault($m1, Traffic())\nif @e:\n    @e.small = $i\n    @e.last += 1", moves="S"),
    "s: delete": Row(2, "del S[$m]", moves="S"),
    "s: walrus": Row(1, "if (@e := S[$m]) and @e.bytes > $k:\n    $block{@e:Traffic/S}"),
    "s: chars": Row(1, 'if (@e := S[$m]) is not None:\n    if @e.name == b"$[ab|]":\n        @e.name = b"$[cd|xyz12]"\n    $x = @e.name[1]'),
    "s: copy out": Row(1, "@e = S[$m]\nif @e is not None:\n    @s = Traffic()\n    @s.name = @e.name\n    @s.bytes = @e.bytes\n    Q.output(ctx, @s)"),
    "t: entry": Row(3, "@e = T[$[0|1|$j]]\nif @e is not None:\n    $block{@e:Traffic/T}"),
    "t: store": Row(2, "T[$j] = Traffic($u, $i, $i)"),
    "t: copy": Row(1, "@e = T[$[0|1]]\nT[$[2|3]] = @e\n@e.bytes = $i\n$x = T[2].last"),
    "r: entry": Row(2, "@e = R[$m]\nif @e is not None:\n    @e[$j] = $i\n    @e[$[0|1|-1]] += $i\n    $x = @e[$j] + len(@e)"),
    "r: store": Row(2, "R[$m] = (c_uint32 * 4)($i, $i, 3, $k)", moves="R"),
    "c: scratch": Row(2, "@e = C[0]\nif @e is not None:\n    @e.u32 = $i\n    @e.row[$j] += 1\n    @e.b3 = $i\n    $x = @e.i8 + @e.u16\n    $block{@e:Rec}"),
    # locked entries
    "f: store": Row(2, "F[$m] = Locked(count=$i, size=$i, level=$k)", hooks=PACKETS),
    "f: lock": Row(3, "@n, @o = $i, $i\nwith F.lock($m) as @e:\n    if @e is not None:\n        @e.count += @n\n        @e.size = @e.size ^ @o if @n > @o else @n\n        @e.level = @n\n        $x = @e.count + @e.level", hooks=PACKETS),
    "f: lock unchecked": Row(2, "@n, @o = $i, $i\nwith F.lock($m) as @e:\n    @e.size = @n // $[@o|$k]\n    @e.total ^= @n\n$x = @n", hooks=PACKETS),
    "f: lock in a loop": Row(1, "@n = $i\nfor @k in range(3):\n    with F.lock(@k) as @e:\n        if not @e:\n            $[continue|break|return $k]\n        @e.size ^= @n + @k\n    $loop{@k}", 3, hooks=PACKETS),
    "f: loop in a lock": Row(1, "@n = $i\nwith F.lock($m) as @e:\n    if @e:\n        for @k in range(3):\n            @e.size += (@n & 0xff) * @k\n            if @e.size > $k:\n                break\n        $x = @e.size\n        @n += 1", hooks=PACKETS),
    "f: read": Row(2, "@e = F.get($m)\nif @e is not None:\n    $x = @e.size ^ @e.count", hooks=PACKETS),
    # global variables
    "g: store": Row(2, "G.value = $i"),
    "g: update": Row(3, "G.value $[+|-|^|&]= $i"),
    "g: read": Row(2, "$x = G.value"),
    "v: field": Row(2, "V.value.$[last|bytes] $[=|+=] $i"),
    "v: read": Row(2, "$x = V.value.small + V.value.last\n$w = V.value.packets"),
    # events
    "q: number": Row(2, "N.output(ctx, $n)"),
    "q: struct": Row(2, "@s = Traffic(packets=$u, last=$i)\n@s.level = $i\nQ.output(ctx, @s)"),
    "q: tuple": Row(1, 'Q.output(ctx, (1, $i, $i, 3, $k, b"ev"))'),
    # packets
    "packet copy": Row(2, "@f = Flow()\nif funcs.packet_copy(ctx, $[0|2|$i & 63], @f):\n    $x = @f.source + @f.port\n    $block", hooks=SKB),
    "packet header": Row(1, "@f = Wire()\nassert funcs.packet_copy(ctx, $[0|12|40], @f)\n$x = @f.port ^ @f.addr\n$w = @f.wide", hooks=SKB),
    "view of a struct": Row(8, "@p = ctx.packet($[Wire], $[0|14|12|$i & 63])\nif @p$[| is not None]:\n    $block{@p:Wire}", hooks=PACKETS),
    "view of bits": Row(3, "@p = ctx.packet(Nibbles, $[0|14|$m])\nif @p is not None:\n    @p.version = $i\n    $block{@p:Nibbles}", hooks=PACKETS),
    "view after a guard": Row(4, "@p = ctx.packet(Flow, $[0|14|$i & 127])\nif @p is None:\n    return $k\n@p.port $[=|+=|^=] $i\n$x = @p.source ^ @p.kind", hooks=PACKETS),
    "view unchecked": Row(4, "$x = ctx.packet(Flow, $[0|14|$m]).port", hooks=PACKETS),
    "view of a number": Row(3, "@o = ctx.packet(c_uint$[8|16|32], $[0|9|$i & 63])\nif @o is not None:\n    $x = @o ^ $i", hooks=PACKETS),
    "view of an array": Row(3, "@p = ctx.packet(c_uint8 * 8, $[0|14|$i & 63])\nif @p is not None:\n    @p[$[0|7|-1]] = $i\n    $x = @p[$i & 7] + @p[3]", hooks=PACKETS),
    "chained views": Row(4, "@p = ctx.packet(Nibbles, 14)\nif @p is not None:\n    @q = ctx.packet(Wire, 14 + @p.length * 4)\n    if @q is not None:\n        @q.port, @q.less = $i, $i\n        $x = @q.addr - @q.delta\n        $w = @q.wide", hooks=PACKETS),
    "views in a loop": Row(3, "for @k in range($[5|$i & 15]):\n    @p = ctx.packet(Flow, @k * 8)\n    if @p is None:\n        break\n    @p.kind += 1\n    $x1 = ($x1 & 0xffffff) + @p.source", 15, hooks=PACKETS),
    "view copied": Row(3, "@p = ctx.packet(Flow, $m)\nif @p is not None:\n    @s = Flow()\n    @s.source = @p.source\n    @s.kind = $m\n    K[@s] = $i\n    @p.source = $i", hooks=PACKETS),
    "views that overlap": Row(3, "@p, @q = ctx.packet(c_uint8 * 8, $[0|10|$i & 31]), ctx.packet(c_uint8 * 8, $[3|12|14|$i & 31])\nif @p is not None and @q is not None:\n    funcs.memcpy(@p, @q, $[8|7|4])\n    $x = @p[$j] ^ @q[$j]", hooks=PACKETS),
    "texts that overlap": Row(2, "@p, @q = ctx.packet(Label, $[0|10|$i & 31]), ctx.packet(Label, $[3|12|14|$i & 31])\nif @p is not None and @q is not None:\n    @q.name = @p.name\n    $x = @p.kind ^ @q.kind", hooks=PACKETS),
    "context store": Row(4, "ctx.$[mark|priority] = $i", hooks=("sched_cls",)),
}  # fmt: skip

LEAVE = {
    "break": Row(3, "if $c:\n    break"),
    "continue": Row(3, "if $c:\n    continue"),
    "break after work": Row(1, "if $c:\n    $x = $i\n    break"),
    "continue after work": Row(1, "if $c:\n    $x ^= $i\n    continue"),
}

WAITING: dict[str, tuple[str, ...]] = {}
"""What is known to be wrong, and the rows that show it. ``PY2BPF_FUZZ_ALL=1`` takes them in."""
_LEFT_OUT = () if os.environ.get("PY2BPF_FUZZ_ALL") else tuple(prefix for names in WAITING.values() for prefix in names)

MORE = (rows_texts, rows_maps, rows_memory, rows_objects, rows_edges, rows_contexts)
for _rows in MORE:
    for _name, _table in {"SIGNED": SIGNED, "UNSIGNED": UNSIGNED, "CONDITION": CONDITION, "STATEMENT": STATEMENT}.items():
        _table.update((name, row) for name, row in getattr(_rows, _name, {}).items() if not name.startswith(_LEFT_OUT))

TABLES = {"signed": SIGNED, "unsigned": UNSIGNED, "condition": CONDITION, "statement": STATEMENT, "leave": LEAVE}

PRELUDE = '''
def clamp(x, low=0, high=255):
    if x < low:
        return low
    if x > high:
        return high
    return x

def mix(x, y, *, times=2):
    total = x & 0xffff
    for i in range(times):
        total = total * 3 + (y & 0xff) + i
    return total

def scale(factor):
    def scaled(x):
        return (x & 0xffffff) * factor
    return scaled

def gather(first, *rest, last=1, **named):
    for item in rest:
        first ^= item
    return first + last + len(named)

def count(n):
    return 0 if n == 0 else 1 + count(n - 1)

class Scaler:
    offset = 3

    def __init__(self, factor):
        self.factor = factor

    def apply(self, x, more=0):
        return (x & 0xffff) * self.factor + self.offset + more

    def __call__(self, x):
        return self.apply(x, 7)

    @staticmethod
    def half(x):
        return x // 2

class Steps(Scaler):
    def apply(self, x, more=1):
        return Scaler.apply(self, x ^ more)

    @property
    def twice(self):
        return self.factor * 2

triple = scale(3)
scaler = Scaler(5)
steps = Steps(2)
mix3 = functools.partial(mix, 9, times=3)
'''
PRELUDE += rows_edges.PRELUDE
OBJECTS = rows_objects.PRELUDE
"""What only few programs need, and takes time to make."""


def needs_objects(source: str) -> bool:
    return rows_objects.NAMES.search(source) is not None


CALLS = [
    "clamp($i)", "clamp($i, high=$k, low=-5)", "clamp(low=$i, x=$i)", "mix($i, $i)", "mix($i, $i, times=$[0|1|3])",
    "triple($i)", "scale($i & 255)($i)", "gather($i)", "gather($i, $i, $i)", "gather($i, $i, last=$i, more=$i)",
    "count($[0|3])", "scaler.apply($i)", "scaler.apply($i, more=$i)", "scaler($i)", "Scaler.half($i)", "steps.apply($i)",
    "steps.apply($i, 5)", "steps.twice", "mix3($i)", "gather(*($i, $i))", "clamp(**{'x': $i, 'low': 3})",
]  # fmt: skip
