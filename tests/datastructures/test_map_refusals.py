"""What maps refuse, and what happens when they are closed."""

from __future__ import annotations

import contextlib
import copy
import ctypes
import errno
import gc
import os
import pickle
from ctypes import c_uint8, c_uint32, c_uint64
from typing import Any

import pytest
from kinds_of_maps import EVERY_KIND, Stat

from py2bpf import Global
from py2bpf.datastructures import (
    ArrayMap,
    BpfQueue,
    HashMap,
    LpmTrieMap,
    PerCpuArrayMap,
    PerCpuHashMap,
    RingBuffer,
    StackTraceMap,
    create_map,
)
from py2bpf.exception import ClosedError, DataRangeError, DataTypeError, KernelError, Py2BpfError

pytestmark = pytest.mark.kernel


@pytest.mark.parametrize(("key", "value", "error", "says"), [
    (-1, 1, DataRangeError, "key of <HashMap 'm'(c_uint32, c_uint8, 4), "),
    (1 << 32, 1, OverflowError, "4294967296 doesn't fit c_uint32: it holds 0 to 4294967295"),
    ("x", 1, TypeError, "c_uint32 takes an int, not 'x' of type str"),
    (1.0, 1, DataTypeError, "not 1.0 of type float"),
    (1, 256, DataRangeError, "value of <HashMap 'm'"),
    (1, -1, OverflowError, "-1 doesn't fit c_uint8: it holds 0 to 255"),
    (1, None, DataTypeError, "c_uint8 takes an int, not None"),
])
def test_what_does_not_fit_is_refused(key: Any, value: Any, error: type[Exception], says: str) -> None:
    with create_map(c_uint32, c_uint8, 4, name="m") as m:
        for store in (lambda: m.__setitem__(key, value), lambda: m.update({key: value}), lambda: m.add(key, value)):
            with pytest.raises(error) as caught:
                store()
            assert says in str(caught.value) and isinstance(caught.value, Py2BpfError)
        assert len(m) == 0


def test_wrong_keys_are_refused_by_every_operation() -> None:
    with create_map(c_uint32, c_uint8, 4) as m:
        for use in (m.__getitem__, m.get, m.__contains__, m.__delitem__, m.pop, m.setdefault):
            with pytest.raises(DataTypeError):
                use("x")
            with pytest.raises(DataRangeError):
                use(-1)


def test_a_bad_item_in_update_changes_nothing() -> None:
    with create_map(c_uint32, c_uint8, 4) as m:
        with pytest.raises(DataRangeError):
            m.update([(1, 1), (2, 300)])
        assert len(m) == 0


@pytest.mark.any_kernel
def test_a_full_map_says_so() -> None:
    with create_map(c_uint32, c_uint8, 2, name="small") as m:
        m[1] = m[2] = 1
        m[1] = 2
        for store in (lambda: m.__setitem__(3, 1), lambda: m.update({3: 1}), lambda: m.add(3, 1),
                      lambda: m.setdefault(3, 1)):
            with pytest.raises(KernelError, match=r"hash map 'small' is full: it holds max_entries=2") as caught:
                store()
            assert caught.value.errno == errno.E2BIG


@pytest.mark.parametrize(("make", "error", "says"), [
    (lambda: create_map(int, c_uint32, 4), DataTypeError, "did you mean ctypes.c_int64"),
    (lambda: create_map(c_uint32, ctypes.c_char_p, 4), DataTypeError, "use ctypes.c_uint64"),
    (lambda: create_map(ctypes.c_double, c_uint32, 4), DataTypeError, "can't be keys"),
    (lambda: create_map(c_uint8 * 513, c_uint32, 4), DataRangeError, "at most 512 bytes"),
    (lambda: create_map(c_uint32, c_uint32, 0), DataRangeError, "0 doesn't fit max_entries"),
    (lambda: create_map(c_uint32, c_uint32, 1 << 32), DataRangeError, "max_entries"),
    (lambda: create_map(c_uint32, c_uint32, 4.0), DataTypeError, "max_entries takes an int"),
    (lambda: create_map(c_uint32, c_uint8, 4, default=256), DataRangeError, "256 doesn't fit c_uint8"),
    (lambda: create_map(c_uint32, Stat, 4, default=0), DataTypeError, "a default is for integer values"),
    (lambda: create_map(c_uint32, c_uint32, 4, name="no spaces"), DataTypeError, "not 'no spaces'"),
    (lambda: create_map(c_uint32, c_uint32, 4, name="x" * 16), DataTypeError, "at most 15"),
    (lambda: PerCpuHashMap(c_uint32, c_uint8 * 32769, 4), DataRangeError, "at most 32768 bytes"),
    (lambda: LpmTrieMap(c_uint8 * 257, c_uint32, 4), DataRangeError, "at most 256 bytes"),
    (lambda: StackTraceMap(4, max_depth=0), DataRangeError, "max_depth"),
])
def test_refused_maps(make: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error) as caught:
        make()
    assert says in str(caught.value)


def test_the_kernel_refuses_impossible_maps() -> None:
    with pytest.raises(KernelError) as caught:
        HashMap(c_uint32, c_uint64 * 4096, (1 << 32) - 1)
    assert caught.value.errno in (errno.E2BIG, errno.ENOMEM, errno.EINVAL)


@pytest.mark.parametrize("make", [
    lambda: HashMap(c_uint32, c_uint64, 4), lambda: PerCpuArrayMap(c_uint32, 2), lambda: Global(c_uint32),
    lambda: BpfQueue(c_uint32), lambda: RingBuffer(c_uint32),
])  # fmt: skip
def test_handles_are_not_copied(make: Any) -> None:
    """A copy would share the descriptor, and close it for the original too."""
    with make() as handle:
        for copied in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(DataTypeError, match="can't be copied or pickled"):
                copied(handle)
        assert not handle.closed


@pytest.mark.kernel_only
@pytest.mark.any_kernel
@pytest.mark.parametrize("make", EVERY_KIND)
def test_closing(make: Any) -> None:
    m = make()
    fd = m.fd
    m.close()
    m.close()
    assert m.closed and "closed" in repr(m)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)
    key = "10.0.0.1" if isinstance(m, LpmTrieMap) else 1
    uses = [lambda: m.fd, lambda: m[key], lambda: m.get(key), lambda: key in m, lambda: len(m), lambda: list(m),
            m.keys, m.values, m.items, lambda: bool(m), m.arrays, m.__enter__]
    if not isinstance(m, (ArrayMap, StackTraceMap)):
        uses += [m.clear, m.popitem, lambda: m.__delitem__(key)]
    if not isinstance(m, StackTraceMap):
        uses += [lambda: m.__setitem__(key, 1), lambda: m.update({key: 1})]
    for use in uses:
        with pytest.raises(ClosedError, match="closed") as caught:
            use()
        assert isinstance(caught.value, ValueError) and isinstance(caught.value, Py2BpfError)


@pytest.mark.kernel_only
def test_closing_with_the_scope_and_the_last_reference() -> None:
    with contextlib.ExitStack() as stack:
        m = stack.enter_context(create_map(c_uint32, c_uint32, 4))
        fd = m.fd
    assert m.closed
    with pytest.raises(ClosedError), m:
        pass
    fd = create_map(c_uint32, c_uint32, 4).fd
    gc.collect()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)
