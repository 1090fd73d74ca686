"""Constructs of contexts: fields of every hook, of every sign and width. See constructs.py; hooks.py has the hooks."""

# ruff: noqa: E501 - a construct a line

from __future__ import annotations

from templates import Row

SKB = ("socket_filter", "sched_cls", "cgroup_skb")
PROBES = ("kprobe",)
EVENTS = ("tracepoint",)
SYSCALLS = ("syscall",)
SAMPLED = ("perf_event",)
RAW = ("raw_tracepoint",)

SIGNED = {
    "context: word": Row(3, "ctx.$[mark|priority|ifindex|pkt_type|protocol|queue_mapping|vlan_present|vlan_tci|ingress_ifindex|tc_index|gso_segs|gso_size|len]", hooks=SKB),
    "context: word of one's own": Row(1, "ctx.cb[$[0|1|4|-1]]", hooks=("socket_filter", "sched_cls", "cgroup_skb")),
    "context: length on the wire": Row(2, "ctx.wire_len", hooks=("sched_cls",)),
    "context: XDP": Row(3, "ctx.$[ingress_ifindex|rx_queue_index]", hooks=("xdp",)),
    "context: bytes at hand": Row(2, "(ctx.data_end - ctx.data)", hooks=("sched_cls", "xdp", "cgroup_skb")),
    "context: result": Row(6, "ctx.$[ret|ret32]", hooks=PROBES),
    "context: field": Row(12, "ctx.$[s8|u8|s16|u16|s32|u32|s64|last]", hooks=EVENTS),
    "context: item": Row(5, "ctx.$[row|small][$[0|1|2|-1]]", hooks=EVENTS),
    "context: argument": Row(12, "ctx.$[fd|pos]", hooks=SYSCALLS),
}

UNSIGNED = {
    "context: time": Row(3, "ctx.$[tstamp|hwtstamp]", hooks=("sched_cls",)),
    "context: register": Row(8, "ctx.$[args[0]|args[5]|ip|sp]", hooks=PROBES),
    "context: wide field": Row(6, "ctx.u64", hooks=EVENTS),
    "context: wide argument": Row(9, "ctx.$[buf|count]", hooks=SYSCALLS),
    "context: sample": Row(8, "ctx.$[sample_period|addr|ip]", hooks=SAMPLED),
    "context: raw argument": Row(10, "ctx.args[$[0|1|7]]", hooks=RAW),
}

CONDITION = {
    "context: sign of an argument": Row(12, "ctx.$[fd|pos] $[<|>=|==] $[0|-1|$i]", hooks=SYSCALLS),
    "context: sign of a field": Row(12, "ctx.$[s8|u8|s16|u16|s32|u32|s64|u64] $[<|>=|==] $[0|-1|$i]", hooks=EVENTS),
    "context: sign of a result": Row(12, "ctx.$[ret|ret32] $[<|>=|==] $[0|-1|$i]", hooks=PROBES),
    "context: text": Row(10, "ctx.comm $[==|!=] $b", hooks=EVENTS),
}

STATEMENT = {
    "context: store": Row(2, "ctx.cb[$[0|1|4]] = $n", hooks=("socket_filter", "sched_cls", "cgroup_skb")),
    "context: store of a time": Row(2, "ctx.tstamp = $u", hooks=("sched_cls",)),
    "context: text into a key": Row(4, "@n = (c_char * 8)()\nfuncs.probe_read_kernel_str(@n, ctx.comm)\nY[@n] += 1", hooks=EVENTS),
}
