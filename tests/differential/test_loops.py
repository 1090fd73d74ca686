"""Loops that run at run time, in every form that they can get: CPython, the kernel and the verifier agree."""

from __future__ import annotations

import ctypes
from typing import Any

import pytest
from loop_forms import FORMS
from loop_programs import program
from runner import Case

from py2bpf import vm
from py2bpf.compiler.passes.shared import loop_plan
from py2bpf.datastructures import ArrayMap, HashMap
from py2bpf.exception import VerifierError
from py2bpf.kernel import features
from py2bpf.kernel.features import Feature
from py2bpf.prog import ProgType
from py2bpf.uapi.hooks import SPECS

pytestmark = [pytest.mark.kernel, pytest.mark.filterwarnings("ignore::py2bpf.exception.PossiblyNone")]
FALLBACK = SPECS[ProgType.SOCKET_FILTER].fallback
INPUTS = {"A": "i64", "B": "u64", "C": "i32"}
SAMPLES = [
    {"A": a, "B": b, "C": c}
    for a, b, c in [
        (0, 0, 0), (1, 1, 1), (5, 3, -2), (7, 1 << 63, 9), (12, (1 << 64) - 1, -9), (27, 40, 17), (33, 6, 1000),
        (-4, 2, 3), (63, 63, 63), (97, 1 << 40, -1000), (200, 12345678901234567, 31),
    ]
]  # fmt: skip
SHAPES = {
    "a sum": """
        for i in range(a & 0xff):
            x += i * c
    """,
    "downwards, by more than one": """
        for i in range(a, c, -3):
            x += i
            if x > 100000:
                break
    """,
    "unsigned bounds": """
        for i in range(b & 0x3f, b & 0xff):
            u = u * 31 + i
    """,
    "an unsigned range downwards": """
        for i in range(b & 0xff, b & 15, -1):
            u += i
    """,
    "continue and break": """
        for i in range(a & 0xff):
            if i % 7 == 3:
                continue
            if i == c:
                break
            x += i
    """,
    "else of for": """
        for i in range(a & 0xff):
            if i == c:
                x = -1
                break
        else:
            x += 1000
    """,
    "else of while": """
        n = a & 0xff
        while n:
            n -= 1
            if n == c:
                break
        else:
            x = 77
        y = n
    """,
    "return from the depth": """
        for i in range(a & 63):
            for j in range(b & 63):
                for k in range(i, j):
                    if k == c:
                        return i * 10000 + j * 100 + k
                    x += 1
    """,
    "Collatz": """
        n = (a & 0xffff) + 1
        while n != 1:
            n = 3 * n + 1 if n & 1 else n // 2
            x += 1
    """,
    "until no bit is left": """
        n = b
        while n:
            x += n & 1
            n >>= 1
    """,
    "the greatest common divisor": """
        p, q = (a & 0xffff) + 1, (b & 0xffff) + 1
        while q:
            p, q = q, p % q
        x = p
    """,
    "bisection": """
        low, high = 0, 1 << 20
        while low < high:
            middle = (low + high) // 2
            if middle * middle < (a & 0xffff):
                low = middle + 1
            else:
                high = middle
        x = low
    """,
    "an index that is carried around": """
        r = Rec(u8=3)
        at = 0
        for i in range(a & 0xff):
            r.row[at & 3] += i
            at += c & 3
        x = r.row[0] + r.row[1] * 3 + r.row[2] * 5 + r.row[3] * 7
    """,
    "an index that an exit checks": """
        r = Rec(u8=3)
        at = 0
        for i in range(a & 0xff):
            r.row[at] += i
            at += 1 if i & 8 else 0
        x = r.row[0] + r.row[3] + at
    """,
    "an array by the loop's variable": """
        r = Rec()
        for i in range(a & 7):
            r.row[i] = i * c
        x = r.row[0] ^ r.row[1] ^ r.row[2] ^ r.row[3]
    """,
    "errors in the depth": """
        for i in range(a & 63):
            for j in range(i):
                assert i * j != c, "counted"
                x += 100 // (50 - j)
    """,
    "a variable that is None at first": """
        best = None
        for i in range(a & 0xff):
            v = (i * 37 + c) & 0xff
            if best is None or v > best:
                best = v
        x = -1 if best is None else best
    """,
    "signed and unsigned carried together": """
        y = c
        for i in range(a & 0xff):
            u, y = u + 3 if y < 0 else u ^ 0x55, -y
            x += 1 if y > u else 2
    """,
    "a swap in a loop": """
        p, q = 0, 1
        for i in range(a & 63):
            p, q = q, (p + q) & 0xffffffff
        x = p
    """,
    "a bounded loop inside": """
        for i in range(a & 0xff):
            for j in range(40):
                x = (x * 3 + j) & 0xffffff
    """,
    "loops one after the other": """
        for i in range(a & 63):
            x += i
            if x & 64:
                y += 1
        while y > 0:
            y -= 3
            x += 1
        for i in range(y, a & 63):
            x ^= i
    """,
    "the hash map": """
        for i in range(a & 31):
            H[i & 7] += i
            if i & 3 == 2:
                del H[i & 7]
        for i in range(8):
            x = x * 3 + H[i]
    """,
    "functions with loops, called in loops": """
        def digits(n):
            count = 0
            while True:
                count += 1
                n //= 10
                if n == 0:
                    return count
        for i in range(a & 63):
            x += digits(i * (c & 0xffff))
    """,
    "the variable after the loop": """
        i = -5
        for i in range(a & 0xff):
            if i * i > (c & 0xfff):
                break
        x = i
    """,
    "a continue that always happens": """
        n = a & 15
        while n > 0:
            n -= 1
            if n & 1:
                x += n
            if not (1000 == 1):
                continue
            x -= 5
    """,
    "the last one that was found": """
        last = 5
        for i in range(a & 63):
            found = H.get(i & 7)
            if i & 1:
                last = found
            H[i & 7] = i
        x = 12 if last is None else last
    """,
    "a loop that is never reached": """
        if (b < b and b < 0) or (b ^ b) > 3:
            for i in range(a):
                x += i
                u += 1
    """,
    "while with a break in the middle": """
        n = a & 0xffff
        while True:
            n -= 7
            if n < 0:
                break
            x += n
    """,
}


def source(body: str) -> str:
    lines = [line[4:] for line in body.splitlines() if line.strip()]
    head = "def program(ctx):\n    a = A[0]\n    b = B[0]\n    c = C[0]\n    x = 0\n    y = 0\n    u = b\n"
    return head + "\n".join(lines) + "\n    OUT[0] = x\n    OUT[1] = y\n    OUT[2] = u\n    return x & 0xffff\n"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", SHAPES)
def test_loops_do_what_they_do_in_python(shape: str, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = FORMS[form]
    if chosen is not None:
        monkeypatch.setattr(loop_plan, "choose", chosen)
    with Case(source(SHAPES[shape]), INPUTS, 3) as case:
        assert case.prog.info.verified_insns < 60_000
        assert sum(case.check(values) for values in SAMPLES) >= 5


@pytest.mark.parametrize("shape", SHAPES)
def test_the_embedded_vm_calls_loops_back(shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_plan, "choose", FORMS["bpf_loop"])
    with vm.backend(), Case(source(SHAPES[shape]), INPUTS, 3) as case:
        assert sum(case.check(values) for values in SAMPLES) >= 5


def test_more_iterations_than_the_iterator_has_end_the_program_and_are_counted() -> None:
    with ArrayMap(ctypes.c_uint64, 1) as limit, ArrayMap(ctypes.c_uint64, 1) as count:

        def prog(skb: Any) -> Any:
            for _ in range(limit[0]):
                count[0] += 1
            return 7

        with program(prog) as loaded:
            for trips, result in [(3, 7), (8 << 20, 7), ((8 << 20) + 1, FALLBACK), (1 << 40, FALLBACK)]:
                limit[0] = trips
                count[0] = 0
                assert loaded.test_run(bytes(60)).retval == result
                assert count[0] == min(trips, 8 << 20)
            assert [(site.error, number) for site, number in loaded.errors.items()] == [("TimeoutError", 2)]


def test_an_endless_loop_ends() -> None:
    def prog(skb: Any) -> Any:
        n = skb.len
        while True:
            n += 2
            if n & 1:
                return n

    with program(prog) as loaded:
        assert loaded.test_run(bytes(61)).retval == 61 - 14 + 2
        assert loaded.test_run(bytes(60)).retval == FALLBACK
        assert [site.error for site, number in loaded.errors.items() if number] == ["TimeoutError"]


def test_references_that_a_loop_carries() -> None:
    class Node(ctypes.Structure):
        _fields_ = [("next", ctypes.c_uint32), ("weight", ctypes.c_uint32), ("row", ctypes.c_uint64 * 16)]

    with HashMap(ctypes.c_uint32, Node, 64) as nodes:
        for i in range(40):
            nodes[i] = Node(i + 1, i * 3)

        def prog(skb: Any) -> Any:
            total = 0
            last = None
            node = nodes[0]
            while node:
                total += node.weight
                for i in range(node.next & 15):
                    node.row[i] += 1
                last = node
                node = nodes[node.next]
            if last is None:
                return 0
            return total * 100 + last.next

        with program(prog) as loaded:
            assert loaded.test_run(bytes(60)).retval == 3 * 39 * 20 * 100 + 40
            assert list(nodes[10].row) == [1] * 11 + [0] * 5
            del nodes[20]
            assert loaded.test_run(bytes(60)).retval == 3 * 19 * 10 * 100 + 20
            nodes.clear()
            assert loaded.test_run(bytes(60)).retval == 0


def scan(skb: Any) -> Any:
    total = 0
    for i in range(skb.len):
        if i % 5 == 3:
            continue
        total += i
        if total > 1_000_000:
            return 1
    n = skb.len
    turns = 0
    while n != 1:
        n = 3 * n + 1 if n & 1 else n // 2
        turns += 1
    return (total * 1000 + turns) & 0x7FFFFFFF


@pytest.mark.any_kernel
@pytest.mark.usefixtures("no_iterators")
def test_loops_without_bound_on_kernels_without_iterators() -> None:
    if not features.probe(Feature.HELPER_LOOP):
        with pytest.raises(VerifierError):
            program(scan).close()
        return

    class Skb:
        def __init__(self, length: int) -> None:
            self.len = length

    with program(scan) as loaded:
        assert "scan_loop" in str([f.name for f in loaded.spec.functions])
        for length in (15, 60, 77, 1500, 3000):
            assert loaded.test_run(bytes(length)).retval == scan(Skb(length - 14))
