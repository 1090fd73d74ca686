"""Constructs of memory: addresses, helpers that fill less than their buffer, and that fail. See constructs.py."""

# ruff: noqa: E501 - a construct a line

from __future__ import annotations

from templates import Row

SKB = ("socket_filter", "sched_cls", "cgroup_skb")
_PLACES = "$[r.u32), 4|r.i32), 4|r.u16), 2|r.i8), 1|r.i64), 8|r.i64), 3|r.u64), 8|r.row[1]), 2|r.row[$j]), 2|r.inner.y), 4]"
_READ = "$x = r.u32 ^ r.i8 ^ r.row[1] ^ r.inner.y\n$x = r.i64 ^ r.i32\n$w = r.u64"

STATEMENT = {
    "memory: packet bytes": Row(2, "@l = (c_$[char|uint8] * $[4|8])()\n$x = funcs.skb_load_bytes(ctx, $[0|2|$i & 127], @l)\n$x = @l[$j] ^ @l[-1]", hooks=SKB),
    "memory: packet bytes again": Row(1, "@l = (c_uint8 * 8)()\nfuncs.skb_load_bytes(ctx, 0, @l)\n$x = funcs.skb_load_bytes(ctx, $i & 127, @l, $[8|3])\n$x = @l[$j] ^ @l[-1]", hooks=SKB),
    "memory: XDP bytes": Row(5, "@l = (c_$[char|uint8] * $[4|8])()\n$x = funcs.xdp_load_bytes(ctx, $[0|$i & 127], @l)\n$x = @l[$j] ^ @l[-1]", hooks=("xdp",)),
    "memory: packet into a field": Row(2, f"funcs.skb_load_bytes(ctx, $[0|1|$i & 127], funcs.addrof({_PLACES})\n{_READ}", hooks=SKB),
    "memory: read into a field": Row(3, f"funcs.probe_read_kernel(funcs.addrof({_PLACES}, $[r.row|r.name|r.inner])\n{_READ}"),
    "memory: read into a variable": Row(3, "@n = $i + 0\nfuncs.probe_read_kernel(funcs.addrof(@n), $[8|4|1], $[r.row|r.name])\n$x = @n\n@n += 1\n$x = @n ^ $i"),
    "memory: read into an unsigned variable": Row(1, "@n = $u + 0\nfuncs.probe_read_kernel(funcs.addrof(@n), $[8|4|1], $[r.row|r.name])\n$w = @n"),
    "memory: read from a number's place": Row(2, "@n, @m = 0, $i + 0\nfuncs.probe_read_kernel(funcs.addrof(@n), $[8|4|1], funcs.addrof($[@m|r.i64|r.u64|$i ^ 1]))\n$x = @n"),
    "memory: text into a structure": Row(1, "@s = Label(kind=$m)\n$x = funcs.probe_read_kernel_str(@s, $t)\n$x = @s.kind ^ @s.name[$j]"),
    "memory: read in a loop": Row(1, "@n = 0\nfor @k in range($[3|$i & 7]):\n    funcs.probe_read_kernel(funcs.addrof(@n), $[1|8], r.row)\n    $loop{@k,@n}\n$x = @n", 7),
    "memory: read into an entry": Row(2, "@e = T[$[0|1|$j]]\nif @e is not None:\n    funcs.probe_read_kernel(funcs.addrof(@e.$[last), 4|bytes), 8|small), 2], $[r.row|r.name])\n    $x = @e.last ^ @e.bytes ^ @e.small"),
    "memory: copied into a field": Row(1, "funcs.memcpy(r.row, funcs.addrof(r.$[i64|u64]), 8)\n$x = r.i64 ^ r.row[0]\n$w = r.u64"),
    "memory: copied into a variable": Row(1, "@n = $i + 0\nfuncs.memcpy(r.row, funcs.addrof(@n), $[8|2])\n$x = @n"),
    "memory: copied from a field": Row(1, "@l = (c_uint8 * 8)()\nfuncs.memcpy(funcs.addrof(r.$[i64|u64]), @l, $[8|5])\n$x = @l[$j] ^ @l[4]"),
    "memory: copied from a value": Row(1, "@l = (c_uint8 * 8)()\nfuncs.memcpy(funcs.addrof($i ^ 1), @l, 8)\n$x = @l[$j] ^ @l[7]"),
    "memory: parsed": Row(1, '@n = $i + 0\n$x = funcs.strtol("$[-123x|77|90000]", 0, funcs.addrof(@n))\n$x = @n'),
    "memory: packet written": Row(4, "$x = funcs.skb_store_bytes(ctx, $[0|20|$i & 127], $[r.row|r.inner|\"ab\"], 0)", hooks=("sched_cls",)),
}
