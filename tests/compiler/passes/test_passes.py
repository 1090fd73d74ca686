"""Each pass by IR before and after: where it fires, and where it must not."""

# ruff: noqa: E501 - a block of IR reads best in one line

from __future__ import annotations

import re

import pytest
from ir_text import parse

from py2bpf.compiler.ir.checker import Rules, check
from py2bpf.compiler.ir.printer import to_text
from py2bpf.compiler.pass_list import PASSES as ROWS
from py2bpf.compiler.passes.shared import packet_calls

PASSES = {row.name: row.run for row in ROWS} | {"packet_loads": packet_calls.rewrite}

BYTE = "%1 = load i64 %0, #0, #1, unsigned"
WORD = "%1 = load i64 %0, #0, #4, unsigned"
SIGNED = "%1 = load i64 %0, #0, #4, signed"
LONG = "%1 = load u64 %0, #0, #8, unsigned"


def row(*lines: str) -> str:
    """A function of one block over the context %0."""
    return "b0:\n  %0 = ctx ctx*\n" + "".join(f"  {line}\n" for line in lines)


FIRES: dict[str, tuple[str, str, str]] = {
    "lower: divides by shifting, with the sign": (
        "lower", row(SIGNED, "%2 = floordiv i64 %1, 8", "return %2"), row(SIGNED, "%2 = ashr i64 %1, 3", "return %2")),
    "lower: divides what is not negative": (
        "lower", row(WORD, "%2 = floordiv i64 %1, 7", "return %2"), row(WORD, "%2 = udiv i64 %1, 7", "return %2")),
    "lower: masks for a remainder": (
        "lower", row(SIGNED, "%2 = mod i64 %1, 16", "return %2"), row(SIGNED, "%2 = and i64 %1, 15", "return %2")),
    "lower: a product becomes a shift": (
        "lower", row(WORD, "%2 = mul i64 %1, 8", "return %2"), row(WORD, "%2 = shl i64 %1, 3", "return %2")),
    "lower: a mask that keeps all": (
        "lower", row(BYTE, "%2 = and i64 %1, 255", "return %2"), row(BYTE, "return %1")),
    "lower: a comparison that the range decides": (
        "lower", row(BYTE, "%2 = lt i64 %1, 256", "return %2"), row(BYTE, "return 1")),
    "lower: -1 is no u64": (
        "lower", row(LONG, "%2 = eq i64 %1, -1", "return %2"), row(LONG, "return 0")),
    "lower: a guard that holds": (
        "lower", row(BYTE, "%2 = ge i64 %1, 0", "guard %2", "return %1"), row(BYTE, "return %1")),
    "lower: a guard that fails": (
        "lower", row(BYTE, "%2 = gt i64 %1, 300", "guard %2, IndexError", "return %1"), row(BYTE, "exit IndexError")),
    "lower: a store cuts off by itself": (
        "lower",
        row(WORD, "%2 = alloca stack* #8", "%3 = and i64 %1, 65535", "store %2, %3, #0, #2", "return 0"),
        row(WORD, "%2 = alloca stack* #8", "%3 = and i64 %1, 65535", "store %2, %1, #0, #2", "return 0")),
    "ranges: a branch narrows what it dominates": (
        "lower",
        ("b0:\n %0 = ctx ctx*\n %1 = load i64 %0, #0, #4, unsigned\n %2 = lt i64 %1, 10\n branch %2, b1, b2\n"
        "b1:  ; from b0\n %3 = gt i64 %1, 9\n return %3\nb2:  ; from b0\n %4 = ge i64 %1, 10\n return %4\n"),
        ("b0:\n %0 = ctx ctx*\n %1 = load i64 %0, #0, #4, unsigned\n %2 = slt i64 %1, 10\n branch %2, b1, b2\n"
        "b1:  ; from b0\n return 0\nb2:  ; from b0\n return 1\n")),
    "ranges: a guard narrows what follows": (
        "lower",
        row(SIGNED, "%2 = gt i64 %1, 0", "guard %2", "%3 = ne i64 %1, 0", "guard %3", "return %1"),
        row(SIGNED, "%2 = sgt i64 %1, 0", "guard %2", "return %1")),
    "cse: the same operation": (
        "cse", row(WORD, "%2 = and i64 %1, 15", "%3 = and i64 %1, 15", "%4 = add i64 %2, %3", "return %4"),
        row(WORD, "%2 = and i64 %1, 15", "%3 = add i64 %2, %2", "return %3")),
    "cse: operands that may be exchanged": (
        "cse", row(WORD, "%2 = neg i64 %1", "%3 = add i64 %1, %2", "%4 = add i64 %2, %1", "%5 = mul i64 %3, %4", "return %5"),
        row(WORD, "%2 = neg i64 %1", "%3 = add i64 %1, %2", "%4 = mul i64 %3, %3", "return %4")),
    "dce: what nobody uses": (
        "dce", row(WORD, "%2 = mul i64 %1, 3", "%3 = load i64 %0, #8, #4, unsigned", "return %1"), row(WORD, "return %1")),
    "dce: an object that nobody reads": (
        "dce", row(WORD, "%2 = alloca stack* #8", "zero %2, #0, #8", "store %2, %1, #0, #4", "return %1"), row(WORD, "return %1")),
    "clean: a branch that an edge decides": (
        "clean",
        ("b0:\n %0 = ctx ctx*\n %1 = load i64 %0, #0, #4, unsigned\n branch %1, b1, b2\nb1:  ; from b0\n jump b3\nb2:  ; from b0\n jump b3\n"
        "b3:  ; from b1, b2\n %2 = phi i64 1, 0\n branch %2, b4, b5\nb4:  ; from b3\n return 5\nb5:  ; from b3\n return 6\n"),
        "b0:\n %0 = ctx ctx*\n %1 = load i64 %0, #0, #4, unsigned\n branch %1, b1, b2\nb1:  ; from b0\n return 5\nb2:  ; from b0\n return 6\n"),
    "clean: blocks in a row": (
        "clean", "b0:\n %0 = ctx ctx*\n jump b1\nb1:  ; from b0\n jump b2\nb2:  ; from b1\n %1 = phi i64 4\n return %1\n",
        "b0:\n %0 = ctx ctx*\n return 4\n"),
    "clean: a phi that only the next one picks": (
        "clean",
        ("b0:\n %0 = ctx ctx*\n %1 = load i64 %0, #0, #4, unsigned\n branch %1, b1, b4\nb1:  ; from b0\n %2 = neg i64 %1\n branch %2, b2, b3\n"
        "b2:  ; from b1\n %3 = neg i64 %2\n jump b3\nb3:  ; from b1, b2\n %4 = phi i64 0, %3\n jump b4\n"
        "b4:  ; from b0, b3\n %5 = phi i64 0, %4\n return %5\n"),
        ("b0:\n %0 = ctx ctx*\n %1 = load i64 %0, #0, #4, unsigned\n branch %1, b1, b3\nb1:  ; from b0\n %2 = neg i64 %1\n branch %2, b2, b3\n"
        "b2:  ; from b1\n %3 = neg i64 %2\n jump b3\nb3:  ; from b0, b1, b2\n %4 = phi i64 0, 0, %3\n return %4\n")),
    "returns: each path its own": (
        "returns",
        ("b0:\n %0 = ctx ctx*\n %1 = load i64 %0, #0, #4, unsigned\n branch %1, b1, b2\nb1:  ; from b0\n %2 = neg i64 %1\n jump b3\n"
        "b2:  ; from b0\n jump b3\nb3:  ; from b1, b2\n %3 = phi i64 %2, 9\n return %3\n"),
        ("b0:\n %0 = ctx ctx*\n %1 = load i64 %0, #0, #4, unsigned\n branch %1, b1, b2\nb1:  ; from b0\n %2 = neg i64 %1\n return %2\n"
        "b2:  ; from b0\n return 9\n")),
    "returns: equal constants share one": (
        "returns",
        "b0:\n %0 = ctx ctx*\n %1 = load i64 %0, #0, #4, unsigned\n branch %1, b1, b2\nb1:  ; from b0\n return 9\nb2:  ; from b0\n return 9\n",
        ("b0:\n %0 = ctx ctx*\n %1 = load i64 %0, #0, #4, unsigned\n branch %1, b1, b2\nb1:  ; from b0\n jump b3\nb2:  ; from b0\n jump b3\n"
        "b3:  ; from b1, b2\n return 9\n")),
    "returns: an exit gives the safe value": (
        "returns", row(WORD, "exit"), row(WORD, "return 2147483647")),
    "constants: code behind a division by zero": (
        "constant_folding",
        ("b0:\n %0 = ctx ctx*\n %1 = load i64 %0, #0, #4, unsigned\n branch %1, b1, b2\nb1:  ; from b0\n %2 = ne i64 0, 0\n"
        " guard %2, ZeroDivisionError\n %3 = udiv i64 %1, 0\n branch %3, b2, b3\nb2:  ; from b0, b1\n %4 = phi i64 %1, 7\n return %4\n"
        "b3:  ; from b1\n return 6\n"),
        ("b0:\n %0 = ctx ctx*\n %1 = load i64 %0, #0, #4, unsigned\n branch %1, b1, b2\nb1:  ; from b0\n exit ZeroDivisionError\n"
        "b2:  ; from b0\n return %1\n")),
    "constants: one makes another": (
        "constant_folding",
        ("b0:\n %0 = ctx ctx*\n %1 = load i64 %0, #0, #4, unsigned\n %2 = ult i64 3, 4\n branch %2, b1, b2\nb1:  ; from b0\n jump b3\n"
        "b2:  ; from b0\n jump b3\nb3:  ; from b1, b2\n %3 = phi i64 5, %1\n %4 = mul i64 %3, 2\n return %4\n"),
        "b0:\n %0 = ctx ctx*\n %1 = load i64 %0, #0, #4, unsigned\n return 10\n"),
    "stack_init: bytes that are overwritten": (
        "stack_init",
        row(WORD, "%2 = alloca stack* #16", "zero %2, #0, #16", "store %2, %1, #0, #8", "store %2, %1, #8, #4",
            "%3 = load i64 %2, #12, #4, unsigned", "return %3"),
        row(WORD, "%2 = alloca stack* #16", "zero %2, #12, #4", "store %2, %1, #0, #8", "store %2, %1, #8, #4",
            "%3 = load i64 %2, #12, #4, unsigned", "return %3")),
    "stack_init: bytes that are overwritten through a pointer made before": (
        "stack_init",
        row(WORD, "%2 = alloca stack* #8", "%3 = ptradd stack* %2, 4", "zero %2, #0, #8", "store %3, %1, #0, #4",
            "%4 = load i64 %2, #0, #8, unsigned", "return %4"),
        row(WORD, "%2 = alloca stack* #8", "%3 = ptradd stack* %2, 4", "zero %2, #0, #4", "store %3, %1, #0, #4",
            "%4 = load i64 %2, #0, #8, unsigned", "return %4")),
}  # fmt: skip

FIRES |= {
    "ranges: a quotient of what may be 0": (
        "lower",
        row(BYTE, "%2 = udiv i64 %1, 3", "%3 = lt i64 %2, 86", "return %3"), row(BYTE, "%2 = udiv i64 %1, 3", "return 1")),
    "ranges: a pointer that was compared with null, and a number besides": (
        "lower",
        ("b0:\n %0 = ctx ctx*\n %1 = load value*? %0, #0, #8, unsigned\n %2 = load i64 %0, #8, #1, unsigned\n %3 = ne i64 %1, 0\n"
        " %4 = lt i64 %2, 10\n %5 = and i64 %3, %4\n branch %5, b1, b2\n"
        "b1:  ; from b0\n %6 = ne i64 %1, 0\n guard %6\n return %2\nb2:  ; from b0\n return 6\n"),
        ("b0:\n %0 = ctx ctx*\n %1 = load value*? %0, #0, #8, unsigned\n %2 = load i64 %0, #8, #1, unsigned\n %3 = ne i64 %1, 0\n"
        " %4 = slt i64 %2, 10\n %5 = and i64 %3, %4\n branch %5, b1, b2\n"
        "b1:  ; from b0\n return %2\nb2:  ; from b0\n return 6\n")),
    "ranges: a pointer that was compared with null": (
        "lower",
        ("b0:\n %0 = ctx ctx*\n %1 = load value*? %0, #0, #8, unsigned\n %2 = ne i64 %1, 0\n branch %2, b1, b2\n"
        "b1:  ; from b0\n %3 = ne i64 %1, 0\n guard %3\n return 5\nb2:  ; from b0\n return 6\n"),
        ("b0:\n %0 = ctx ctx*\n %1 = load value*? %0, #0, #8, unsigned\n %2 = ne i64 %1, 0\n branch %1, b1, b2\n"
        "b1:  ; from b0\n return 5\nb2:  ; from b0\n return 6\n")),
    "loops: an iterator around a loop of unknown length": (
        "loop_forms",
        ("b0:\n %0 = ctx ctx*\n %1 = load i64 %0, #0, #8, signed\n jump b1\nb1:  ; from b0, b2\n %2 = phi i64 0, %4\n"
        " %3 = lt i64 %2, %1\n branch %3, b2, b3\nb2:  ; from b1\n %4 = add i64 %2, 1\n jump b1\nb3:  ; from b1\n return %2\n"),
        ("b0:\n %0 = ctx ctx*\n %1 = load i64 %0, #0, #8, signed\n %2 = alloca stack* #8\n %3 = iter_new i64 %2, 8388608\n"
        " %4 = hide i64 0, %3\n jump b1\n"
        "b1:  ; from b0, b3\n %5 = phi i64 %4, %9\n %6 = iter_next mem*? %2\n branch %6, b2, b5\n"
        "b2:  ; from b1\n %7 = lt i64 %5, %1\n branch %7, b3, b4\n"
        "b3:  ; from b2\n %8 = add i64 %5, 1\n %9 = hide i64 %8, %3\n jump b1\n"
        "b4:  ; from b2\n return %5\nb5:  ; from b1\n exit TimeoutError\n")),
    "loops: the iterator is asked where a turn begins": (
        "loop_forms",
        ("b0:\n %0 = ctx ctx*\n %1 = load i64 %0, #0, #8, signed\n jump b1\nb1:  ; from b0, b2\n %2 = phi i64 0, %3\n"
        " %3 = add i64 %2, 1\n %4 = lt i64 %2, %1\n branch %4, b2, b3\nb2:  ; from b1\n turn\n jump b1\nb3:  ; from b1\n return %2\n"),
        ("b0:\n %0 = ctx ctx*\n %1 = load i64 %0, #0, #8, signed\n %2 = alloca stack* #8\n %3 = iter_new i64 %2, 8388608\n"
        " %4 = hide i64 0, %3\n jump b1\n"
        "b1:  ; from b0, b3\n %5 = phi i64 %4, %9\n %6 = lt i64 %5, %1\n branch %6, b2, b4\n"
        "b2:  ; from b1\n %7 = iter_next mem*? %2\n branch %7, b3, b5\n"
        "b3:  ; from b2\n %8 = add i64 %5, 1\n %9 = hide i64 %8, %3\n jump b1\n"
        "b4:  ; from b1\n return %5\nb5:  ; from b2\n exit TimeoutError\n")),
    "iterators: one that nobody asks": (
        "iterator_ends",
        "b0:\n %0 = ctx ctx*\n %1 = alloca stack* #8\n %2 = iter_new i64 %1, 9\n %3 = hide i64 7, %2\n %4 = add i64 %3, 1\n return %4\n",
        "b0:\n %0 = ctx ctx*\n %1 = add i64 7, 1\n return %1\n"),
    "iterators: destroyed on every way out": (
        "iterator_ends",
        ("b0:\n %0 = ctx ctx*\n %1 = alloca stack* #8\n %2 = iter_new i64 %1, 9\n guard %2, IndexError\n jump b1\n"
        "b1:  ; from b0, b2\n %3 = iter_next mem*? %1\n branch %3, b2, b3\n"
        "b2:  ; from b1\n %4 = load i64 %0, #0, #4, unsigned\n guard %4, IndexError\n branch %4, b1, b3\n"
        "b3:  ; from b1, b2\n return 0\n"),
        ("b0:\n %0 = ctx ctx*\n %1 = alloca stack* #8\n %2 = iter_new i64 %1, 9\n guard %2, IndexError\n jump b1\n"
        "b1:  ; from b0, b3\n %3 = iter_next mem*? %1\n branch %3, b2, b4\n"
        "b2:  ; from b1\n %4 = load i64 %0, #0, #4, unsigned\n branch %4, b3, b5\nb3:  ; from b2\n branch %4, b1, b4\n"
        "b4:  ; from b1, b3\n iter_destroy %1\n return 0\nb5:  ; from b2\n iter_destroy %1\n exit IndexError\n")),
}  # fmt: skip

FIRES |= {
    "lower: divides an unsigned number by shifting": (
        "lower", row(LONG, "%2 = floordiv u64 %1, 8", "return %2"), row(LONG, "%2 = lshr u64 %1, 3", "return %2")),
    "lower: the remainder of numbers of both signs": (
        "lower", row(SIGNED, "%2 = load i64 %0, #8, #4, signed", "%3 = mod i64 %1, %2", "return %3"),
        row(SIGNED, "%2 = load i64 %0, #8, #4, signed", "%3 = ashr i64 %1, 63", "%4 = xor u64 %1, %3", "%5 = sub u64 %4, %3",
            "%6 = ashr i64 %2, 63", "%7 = xor u64 %2, %6", "%8 = sub u64 %7, %6", "%9 = umod u64 %5, %8", "%10 = xor i64 %1, %2",
            "%11 = slt i64 %10, 0", "%12 = ne i64 %9, 0", "%13 = and i64 %11, %12", "%14 = sub u64 %8, %9",
            "%15 = select u64 %13, %14, %9", "%16 = ashr i64 %2, 63", "%17 = xor i64 %15, %16", "%18 = sub i64 %17, %16", "return %18")),
    "lower: swaps that undo each other": (
        "lower", row(WORD, "%2 = bswap i64 %1, #4", "%3 = bswap i64 %2, #4", "return %3"), row(WORD, "%2 = bswap i64 %1, #4", "return %1")),
    "lower: swaps that undo each other, all bits": (
        "lower", row(LONG, "%2 = bswap u64 %1, #8", "%3 = bswap u64 %2, #8", "return %3"), row(LONG, "%2 = bswap u64 %1, #8", "return %1")),
    "lower: swaps that cut off": (
        "lower", row(SIGNED, "%2 = bswap i64 %1, #4", "%3 = bswap i64 %2, #4", "return %3"),
        row(SIGNED, "%2 = bswap i64 %1, #4", "%3 = and i64 %1, 4294967295", "return %3")),
    **{f"packet_loads: {name}": (
        "packet_loads", row(f"%1 = packet i64 %0, #2, #{offset}", "return %1"),
        (f"b0:\n %0 = ctx ctx*\n %1 = alloca stack* #2\n %2 = call i64 %0, {call[0]}, %1, 2{call[1]}\n"
         " %3 = eq i64 %2, 0\n branch %3, b1, b2\n"
         "b1:  ; from b0\n %4 = load i64 %1, #0, #2, unsigned\n %5 = bswap i64 %4, #2\n return %5\nb2:  ; from b0\n return 0\n"))
       for name, offset, call in (
           ("from the link header", -0x200000 + 12, (12, ", 0, #skb_load_bytes_relative")),
           ("from the network header", -0x100000 + 6, (6, ", 1, #skb_load_bytes_relative")),
           ("from the beginning", 20, (20, ", #skb_load_bytes")))},
    "choices: a way around a block that does nothing": (
        "if_conversion",
        ("b0:\n %0 = ctx ctx*\n %1 = load i64 %0, #0, #4, unsigned\n %2 = sgt i64 %1, 60\n branch %2, b2, b1\n"
        "b1:  ; from b0\n jump b2\nb2:  ; from b0, b1\n %3 = phi i64 1, 2\n %4 = add i64 %3, %1\n return %4\n"),
        row(WORD, "%2 = sgt i64 %1, 60", "%3 = select i64 %2, 1, 2", "%4 = add i64 %3, %1", "return %4")),
    "truths: the sign of a difference": (
        "truths", row(WORD, "%2 = sgt i64 %1, 60", "%3 = shl i64 %2, 4", "return %3"),
        row(WORD, "%2 = sub i64 60, %1", "%3 = lshr u64 %2, 63", "%4 = cast i64 %3", "%5 = shl i64 %4, 4", "return %5")),
    "truths: one more than a constant": (
        "truths", row(SIGNED, "%2 = sle i64 %1, 60", "return %2"),
        row(SIGNED, "%2 = sub i64 %1, 61", "%3 = lshr u64 %2, 63", "%4 = cast i64 %3", "return %4")),
    "truths: a choice of 0 or 1": (
        "truths", row(BYTE, "%2 = ult i64 %1, 60", "%3 = select i64 %2, 0, 1", "return %3"),
        row(BYTE, "%2 = ult i64 %1, 60", "%3 = sub i64 59, %1", "%4 = lshr u64 %3, 63", "%5 = cast i64 %4", "return %5")),
    "choices: two ways on which nothing happens": (
        "if_conversion",
        ("b0:\n %0 = ctx ctx*\n %1 = load i64 %0, #0, #4, unsigned\n branch %1, b1, b2\nb1:  ; from b0\n jump b3\n"
        "b2:  ; from b0\n jump b3\nb3:  ; from b1, b2\n %2 = phi i64 0, 7\n %3 = add i64 %2, %1\n return %3\n"),
        row(WORD, "%2 = select i64 %1, 0, 7", "%3 = add i64 %2, %1", "return %3")),
    "lower: not of a comparison": (
        "lower", row(WORD, "%2 = gt i64 %1, 5", "%3 = eq i64 %2, 0", "%4 = add i64 %2, %3", "return %4"),
        row(WORD, "%2 = sgt i64 %1, 5", "%3 = sle i64 %1, 5", "%4 = add i64 %2, %3", "return %4")),
}  # fmt: skip

MUST_NOT: dict[str, tuple[str, str]] = {
    "loops: a short loop": (
        "loop_forms",
        ("b0:\n %0 = ctx ctx*\n %1 = load i64 %0, #0, #8, signed\n jump b1\nb1:  ; from b0, b2\n %2 = phi i64 0, %4\n"
        " %3 = lt i64 %2, 100\n branch %3, b2, b3\nb2:  ; from b1\n %4 = add i64 %2, 1\n jump b1\nb3:  ; from b1\n return %2\n")),
    "iterators: a guard where there is none": (
        "iterator_ends", row(WORD, "guard %1, IndexError", "return %1")),
    "lower: a comparison that the range leaves open": ("lower", row(BYTE, "%2 = slt i64 %1, 255", "return %2")),
    "lower: a mask that cuts": ("lower", row(WORD, "%2 = and i64 %1, 255", "return %2")),
    "lower: a sign that a mask takes away": ("lower", row(SIGNED, "%2 = and i64 %1, 4294967295", "return %2")),
    "lower: a guard that may fail": ("lower", row(SIGNED, "guard %1, IndexError", "return %1")),
    "returns: a counted exit stays": ("returns", row(WORD, "exit ValueError")),
    "lower: a store of masked bits that it keeps": (
        "lower", row(WORD, "%2 = alloca stack* #8", "%3 = and i64 %1, 255", "store %2, %3, #0, #2", "return 0")),
    "ranges: nothing of one branch holds in the other, or after them": (
        "lower",
        ("b0:\n %0 = ctx ctx*\n %1 = load i64 %0, #0, #4, unsigned\n %2 = slt i64 %1, 10\n branch %2, b1, b2\n"
        "b1:  ; from b0\n %3 = mul i64 %1, 3\n jump b2\nb2:  ; from b0, b1\n %4 = slt i64 %1, 10\n return %4\n")),
    "ranges: bits of unlike types are no numbers": (
        "lower",
        row(SIGNED, "%2 = cast u64 %1", "%3 = ult i64 %2, 4294967296", "guard %3", "%4 = sge i64 %1, 1", "return %4")),
    "cse: loads may see different memory": (
        "cse", row(WORD, "%2 = load i64 %0, #0, #4, unsigned", "%3 = sub i64 %1, %2", "return %3")),
    "cse: the order of a difference": (
        "cse", row(WORD, "%2 = neg i64 %1", "%3 = sub i64 %1, %2", "%4 = sub i64 %2, %1", "%5 = mul i64 %3, %4", "return %5")),
    "cse: the same operation with another type": (
        "cse", row(WORD, "%2 = ashr i64 %1, 3", "%3 = ashr u64 %1, 3", "%4 = add u64 %2, %3", "return %4")),
    "cse: what another path has computed": (
        "cse",
        ("b0:\n %0 = ctx ctx*\n %1 = load i64 %0, #0, #4, unsigned\n branch %1, b1, b2\nb1:  ; from b0\n %2 = neg i64 %1\n return %2\n"
        "b2:  ; from b0\n %3 = neg i64 %1\n return %3\n")),
    "dce: an object that is read": (
        "dce", row(WORD, "%2 = alloca stack* #8", "store %2, %1, #0, #4", "%3 = load i64 %2, #0, #4, unsigned", "return %3")),
    "dce: a guard": ("dce", row(WORD, "guard %1", "return 0")),
    "dce: a store to a map's value": ("dce", row("%1 = load value* %0, #0, #8, unsigned", "store %1, 5, #0, #4", "return 0")),
    "clean: a phi that the block's successors use": (
        "clean",
        ("b0:\n %0 = ctx ctx*\n %1 = load i64 %0, #0, #4, unsigned\n branch %1, b1, b2\nb1:  ; from b0\n %2 = neg i64 %1\n jump b2\n"
        "b2:  ; from b0, b1\n %3 = phi i64 1, %2\n branch %3, b3, b4\nb3:  ; from b2\n return %3\nb4:  ; from b2\n return 6\n")),
    "clean: the next block picks something else too": (
        "clean",
        ("b0:\n %0 = ctx ctx*\n %1 = load i64 %0, #0, #4, unsigned\n branch %1, b1, b4\nb1:  ; from b0\n %2 = neg i64 %1\n branch %2, b2, b3\n"
        "b2:  ; from b1\n %3 = neg i64 %2\n jump b3\nb3:  ; from b1, b2\n %4 = phi i64 0, %3\n jump b4\n"
        "b4:  ; from b0, b3\n %5 = phi i64 0, %4\n %6 = phi i64 7, %2\n %7 = mul i64 %5, %6\n return %7\n")),
    "clean: equal arguments of unlike types": (
        "clean",
        ("b0:\n %0 = ctx ctx*\n %1 = load i64 %0, #0, #4, unsigned\n branch %1, b1, b2\nb1:  ; from b0\n %2 = neg i64 %1\n store %0, %2, #0, #4\n"
        " jump b2\nb2:  ; from b0, b1\n %3 = phi u64 7, 7\n return %3\n")),
    "returns: a computed result": ("returns", row(WORD, "%2 = neg i64 %1", "return %2")),
    "constants: what is known at run time only": (
        "constant_folding", row(WORD, "%2 = ne i64 %1, 0", "guard %2, ZeroDivisionError", "%3 = udiv i64 5, %1", "%4 = and i64 %3, 0", "return %4")),
    "stack_init: a read comes before the store": (
        "stack_init",
        row(WORD, "%2 = alloca stack* #8", "zero %2, #0, #8", "%3 = load i64 %2, #0, #8, unsigned", "store %2, %1, #0, #8",
            "return %3")),
    "stack_init: the address goes elsewhere": (
        "stack_init",
        row(WORD, "%2 = alloca stack* #8", "zero %2, #0, #8", "%3 = ptradd stack* %2, %1", "%4 = load i64 %3, #0, #1, unsigned",
            "store %2, %1, #0, #8", "return %4")),
    "stack_init: a read through a pointer made before": (
        "stack_init",
        row(WORD, "%2 = alloca stack* #8", "%3 = ptradd stack* %2, %1", "zero %2, #0, #8", "%4 = load i64 %3, #0, #1, unsigned",
            "store %2, %1, #0, #8", "return %4")),
    "stack_init: a pointer that lies in memory": (
        "stack_init",
        row(WORD, "%2 = alloca stack* #8", "%3 = alloca stack* #8", "store %3, %2, #0, #8", "zero %2, #0, #8",
            "%4 = load i64 %3, #0, #8, unsigned", "store %2, %4, #0, #8", "return %4")),
    "stack_init: an address that lies in memory as a number": (
        "stack_init",
        row(WORD, "%2 = alloca stack* #8", "%3 = alloca stack* #8", "%4 = cast u64 %2", "store %3, %4, #0, #8",
            "zero %2, #0, #8", "%5 = load i64 %3, #0, #8, unsigned", "store %2, %5, #0, #8", "return %5")),
    "stack_init: the store is on one path only": (
        "stack_init",
        ("b0:\n %0 = ctx ctx*\n %1 = load i64 %0, #0, #4, unsigned\n %2 = alloca stack* #8\n zero %2, #0, #8\n branch %1, b1, b2\n"
        "b1:  ; from b0\n store %2, %1, #0, #8\n jump b2\nb2:  ; from b0, b1\n %3 = load i64 %2, #0, #8, unsigned\n return %3\n")),
    "truths: a branch takes it": (
        "truths",
        ("b0:\n %0 = ctx ctx*\n %1 = load i64 %0, #0, #4, unsigned\n %2 = sgt i64 %1, 60\n branch %2, b1, b2\n"
        "b1:  ; from b0\n return %2\nb2:  ; from b0\n return 5\n")),
    "truths: a difference of 64 bits": (
        "truths", row(LONG, "%2 = ugt i64 %1, 60", "return %2")),
    "truths: unsigned, of what may be negative": (
        "truths", row(SIGNED, "%2 = ult i64 %1, 60", "return %2")),
    "truths: a single one that takes an instruction more": (
        "truths", row(BYTE, "%2 = eq i64 %1, 60", "%3 = add i64 %2, 1", "return %3")),
    "truths: a constant that is no immediate": (
        "truths", row(WORD, f"%2 = sgt i64 %1, {1 << 31}", "return %2")),
    "truths: a single choice of two numbers": (
        "truths", row(WORD, "%2 = sgt i64 %1, 60", "%3 = select i64 %2, 3, 9", "return %3")),
    "choices: what is chosen is no constant": (
        "if_conversion",
        ("b0:\n %0 = ctx ctx*\n %1 = load i64 %0, #0, #4, unsigned\n %2 = sgt i64 %1, 60\n branch %2, b2, b1\n"
        "b1:  ; from b0\n jump b2\nb2:  ; from b0, b1\n %3 = phi i64 %1, 2\n %4 = add i64 %3, %1\n return %4\n")),
    "choices: a way stores": (
        "if_conversion",
        ("b0:\n %0 = ctx ctx*\n %1 = load i64 %0, #0, #4, unsigned\n branch %1, b2, b1\n"
        "b1:  ; from b0\n store %0, 1, #8, #4\n jump b2\nb2:  ; from b0, b1\n %2 = phi i64 1, 2\n return %2\n")),
    "choices: two numbers": (
        "if_conversion",
        ("b0:\n %0 = ctx ctx*\n %1 = load i64 %0, #0, #4, unsigned\n branch %1, b2, b1\nb1:  ; from b0\n jump b2\n"
        "b2:  ; from b0, b1\n %2 = phi i64 1, 2\n %3 = phi i64 3, 4\n %4 = add i64 %2, %3\n return %4\n")),
    "choices: a test of two comparisons": (
        "if_conversion",
        ("b0:\n %0 = ctx ctx*\n %1 = load i64 %0, #0, #4, unsigned\n %2 = sgt i64 %1, 60\n %3 = slt i64 %1, 90\n"
        " %4 = and i64 %2, %3\n branch %4, b2, b1\n"
        "b1:  ; from b0\n jump b2\nb2:  ; from b0, b1\n %5 = phi i64 1, 2\n %6 = add i64 %5, %1\n return %6\n")),
}  # fmt: skip


def tidy(text: str) -> str:
    """Without the program line and with the printer's indentation."""
    lines = [line.strip() for line in text.strip().splitlines() if not line.startswith("program")]
    return "\n".join(line if re.match(r"b\d+:", line) else f"  {line}" for line in lines)


def passed(name: str, text: str) -> str:
    fn = parse(text)
    check(fn, "the test")
    assert tidy(to_text(fn)) == tidy(text)
    followers = [row for row in ROWS if row.after == name]
    while PASSES[name](fn):
        for row in followers:
            row.run(fn)
    check(fn, name, Rules.RAW if name == "lower" else Rules.EXACT)
    return tidy(to_text(fn))


@pytest.mark.parametrize(("name", "before", "after"), FIRES.values(), ids=list(FIRES))
def test_fires(name: str, before: str, after: str) -> None:
    assert passed(name, before) == tidy(after)


@pytest.mark.parametrize(("name", "text"), MUST_NOT.values(), ids=list(MUST_NOT))
def test_must_not(name: str, text: str) -> None:
    assert passed(name, text) == tidy(text)
