"""prog.errors: exceptions that Python would raise are counted by line, in the kernel."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from py2bpf import datastructures, funcs, vm
from py2bpf.exception import VerifierError
from py2bpf.prog import Prog, ProgType, compile_prog, create_prog
from py2bpf.spec import ErrorSite
from py2bpf.uapi.contexts import SK_BUFF
from py2bpf.uapi.prog_types import KEEP_PACKET

pytestmark = pytest.mark.kernel
HERE = __file__


def load(fn: Callable[[Any], Any]) -> Prog:
    return create_prog(ProgType.SOCKET_FILTER, SK_BUFF, fn)


def packet(length: int) -> bytes:
    """A packet whose ``skb.len`` is ``length``, as a socket filter sees it: without the Ethernet header."""
    return bytes(length + 14)


def line_of(fn: Callable[..., Any], offset: int) -> int:
    return fn.__code__.co_firstlineno + offset


def test_each_error_by_its_name_and_line() -> None:
    table = (5, 6, 7, 8)

    def fn(skb: Any) -> int:
        n = skb.len
        if n == 50:
            raise AssertionError(n)  # an assert statement is pytest's own in here; tests/cases has some
        if n == 51:
            raise LookupError(f"length {n}")
        a = 100 // (n - 52)
        a += 100 % (n - 53)
        a += 1 << (n - 10)
        a += table[n - 60] if n > 55 else 0
        return a + 1000

    with load(fn) as prog:
        assert prog.errors == {}
        for length in (50, 51, 52, 53, 9, 64, 70):
            assert prog.test_run(packet(length)).retval == KEEP_PACKET, length
        for length in (20, 54, 60, 63):
            assert prog.test_run(packet(length)).retval >= 1000, length
        found = {(site.line - line_of(fn, 0), site.error): count for site, count in prog.errors.items()}
        assert {site.filename for site in prog.errors} == {HERE}
    assert found == {
        (3, "AssertionError"): 1, (5, "LookupError"): 1, (6, "ZeroDivisionError"): 1,
        (7, "ZeroDivisionError"): 1, (8, "ValueError"): 1, (9, "IndexError"): 2,
    }  # fmt: skip


def test_a_site_reads_as_a_place() -> None:
    assert str(ErrorSite("count.py", 7, "IndexError")) == "count.py:7: IndexError"


def test_only_the_first_error_of_a_run_counts() -> None:
    def fn(skb: Any) -> int:
        return 1 // (skb.len - 50) + 1 % (skb.len - 50)

    with load(fn) as prog:
        prog.test_run(packet(50), repeat=7)
        assert list(prog.errors.values()) == [7]


def divide(number: int, by: int) -> int:
    return number // by


def test_an_error_of_an_inlined_function_counts_there() -> None:
    def fn(skb: Any) -> int:
        return divide(100, skb.len - 50) + divide(100, skb.len - 60)

    with load(fn) as prog:
        prog.test_run(packet(50))
        prog.test_run(packet(60))
        assert prog.errors == {ErrorSite(HERE, line_of(divide, 1), "ZeroDivisionError"): 2}


def test_an_unrolled_loop_has_one_site_for_each_line() -> None:
    def fn(skb: Any) -> int:
        total = 0
        for i in (50, 60, 70):
            total += 10 // (skb.len - i)
        return total

    with load(fn) as prog:
        assert len(prog.spec.errors) == 1
        for length in (50, 60, 70):
            prog.test_run(packet(length))
        assert list(prog.errors.values()) == [3]


def test_a_program_that_always_raises() -> None:
    def fn(skb: Any) -> int:
        raise KeyError(skb.len)

    with load(fn) as prog:
        assert prog.test_run(packet(50)).retval == KEEP_PACKET
        assert prog.errors == {ErrorSite(HERE, line_of(fn, 1), "KeyError"): 1}


def test_what_is_raised() -> None:
    class OurError(ValueError):
        pass

    instance = OSError("made before")

    def fn(skb: Any) -> int:
        if skb.len == 50:
            raise OurError
        if skb.len == 51:
            raise OurError("constant") from None
        if skb.len == 52:
            raise instance
        if skb.len == 53:
            raise  # with no exception at hand Python makes it a RuntimeError
        if skb.len == 54:
            raise 5  # type: ignore[misc]
        return 0

    with load(fn) as prog:
        for length in range(50, 56):
            prog.test_run(packet(length))
        assert [site.error for site in prog.errors] == ["OurError", "OurError", "OSError", "RuntimeError", "TypeError"]
        assert set(prog.errors.values()) == {1}


def test_a_program_that_cannot_raise_has_no_counters() -> None:
    def fn(skb: Any) -> int:
        return 100 // ((skb.len & 15) + 1)

    with load(fn) as prog:
        assert prog.spec.error_map is None and prog.spec.maps == () and prog.spec.errors == ()
        prog.test_run(packet(50))
        assert prog.errors == {}


def test_counters_stand_behind_the_programs_maps() -> None:
    counts = datastructures.HashMap(ctypes.c_uint32, ctypes.c_uint64, 8)

    def fn(skb: Any) -> int:
        counts[1 // (skb.len - 50)] += 1
        return 0

    with counts, load(fn) as prog:
        assert prog.spec.error_map == 2 and prog.spec.captures == (counts, None, None)
        prog.test_run(packet(50))
        prog.test_run(packet(52))
        assert dict(counts) == {0: 1} and list(prog.errors.values()) == [1]


def test_no_count_is_lost_between_threads() -> None:
    def fn(skb: Any) -> int:
        return 1 // (skb.len - 50)

    with load(fn) as prog:
        threads = [threading.Thread(target=prog.test_run, args=(packet(50),), kwargs={"repeat": 20000})
                   for _ in range(4)]  # fmt: skip
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert list(prog.errors.values()) == [80000]


@pytest.mark.parametrize("raises", [True, False])
@pytest.mark.parametrize("where", ["kernel", "vm"])
def test_after_close(raises: bool, where: str) -> None:
    """The last counts remain, as with the losses of maps and queues."""

    def fn(skb: Any) -> int:
        return 1 // (skb.len - 46) if raises else 0

    with vm.backend(where):
        prog = load(fn)
    prog.test_run(bytes(60), repeat=3)
    prog.close()
    prog.close()
    assert list(prog.errors.values()) == ([3] if raises else [])


def test_a_refused_program_leaves_no_counters_open() -> None:
    def fn(skb: Any) -> int:
        if skb.len == 0:
            raise ValueError
        return funcs.xdp_adjust_head(skb, 4)  # no helper of socket filters

    with pytest.raises(VerifierError):  # the fixture that counts descriptors fails the test otherwise
        load(fn)


def test_equal_programs_have_equal_specs() -> None:
    def fn(skb: Any) -> int:
        return 1 // skb.len

    assert compile_prog(ProgType.SOCKET_FILTER, SK_BUFF, fn) == compile_prog(ProgType.SOCKET_FILTER, SK_BUFF, fn)


def test_the_listing_names_what_is_counted() -> None:
    def fn(skb: Any) -> int:
        return 1 // skb.len

    with load(fn) as prog:
        assert "; counts ZeroDivisionError\n    r1 = map 0 value + 0 ll\n" in prog.pretty


def test_a_filter_shows_its_errors(tmp_path: Path) -> None:
    import socket

    from py2bpf.socket_filter import SocketFilter

    def fn(skb: Any) -> int:
        return 1 // (skb.len - 8)

    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with left, right, SocketFilter(fn) as sf:
        sf.attach(right)
        left.send(bytes(8))
        assert right.recv(100) == bytes(8)
        assert list(sf.prog.errors.values()) == [1]
