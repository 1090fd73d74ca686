"""Values that are useless as arguments: each is refused by an error of ours, which says what is wrong with it."""

from __future__ import annotations

import array
import ctypes
import re
from collections.abc import Callable, Iterator
from ctypes import POINTER, Structure, Union, c_char, c_char_p, c_uint8, c_uint32, c_uint64, c_void_p, py_object
from typing import Any

import pytest

from py2bpf import tc, tracepoint, vm, xdp
from py2bpf.core.handles import Handle
from py2bpf.datastructures import (
    ArrayMap,
    BpfQueue,
    Global,
    HashMap,
    LpmTrieMap,
    PerCpuArrayMap,
    ProgArray,
    RingBuffer,
    UserRingBuffer,
)
from py2bpf.exception import DataRangeError, DataTypeError, IndexOutOfRange, KernelError, Py2BpfError
from py2bpf.kernel import syscalls
from py2bpf.kernel.netdev import ifindex
from py2bpf.kprobe import probe as kprobe
from py2bpf.pcap import Capture
from py2bpf.prog import ProgType, compile_prog, create_prog
from py2bpf.sim import run as simulate
from py2bpf.socket_filter import SkBuffContext, SocketFilter
from py2bpf.util import is_mounted, mount, packet_socket

pytestmark = pytest.mark.kernel

LONE = "\ud800"
HUGE = 1 << 40


class Named(Structure):
    _fields_ = (("name", c_char * 8), ("number", c_uint32))


class Owning(Structure):
    _fields_ = (("number", c_uint64), ("object", py_object))


class With(Structure):
    """A type that says nothing of its data."""


def keep(_skb: Any) -> int:
    return 0


def of(make: Callable[[], Any], use: Callable[[Any], Any]) -> Callable[[], None]:
    """What uses something that is made for it."""

    def call() -> None:
        with make() as made:
            use(made)

    return call


def words() -> HashMap:
    return HashMap(c_char * 8, c_uint32, 4)


def program() -> Any:
    return create_prog(ProgType.SOCKET_FILTER, SkBuffContext, keep)


def compiled(**options: Any) -> Callable[[], object]:
    return lambda: compile_prog(ProgType.SOCKET_FILTER, SkBuffContext, keep, **options)


Row = tuple[Callable[[], object], type[Exception], str]


TEXTS: dict[str, Row] = {
    "key": (of(words, lambda m: m.__setitem__(LONE, 1)), DataRangeError, r"lone surrogate \('\\ud800'\)"),
    "key that is asked for": (of(words, lambda m: LONE in m), DataRangeError, "lone surrogate"),
    "column of keys": (of(words, lambda m: m.update(["a", LONE], [1, 2])), DataRangeError, "key of .*lone surrogate"),
    "mapping": (of(words, lambda m: m.update({LONE: 1})), DataRangeError, "lone surrogate"),
    "key that is deleted": (of(words, lambda m: m.__delitem__(LONE)), DataRangeError, "lone surrogate"),
    "value": (of(lambda: HashMap(c_uint32, c_char * 8, 4), lambda m: m.__setitem__(1, LONE)), DataRangeError, "lone"),
    "field": (of(lambda: HashMap(c_uint32, Named, 4), lambda m: m.__setitem__(1, (LONE, 1))),
              DataRangeError, "Named.name: .*lone surrogate"),
    "item": (of(lambda: HashMap(c_uint32, (c_char * 8) * 2, 4), lambda m: m.__setitem__(1, ("a", LONE))),
             DataRangeError, "item 1 of .*lone surrogate"),
    "variable": (of(lambda: Global(c_char * 8), lambda g: setattr(g, "value", LONE)), DataRangeError, "lone surrogate"),
    "first value": (lambda: Global(c_char * 8, LONE), DataRangeError, "lone surrogate"),
    "name of a map": (lambda: HashMap(c_uint32, c_uint32, 4, name=LONE), DataTypeError, r"'\\ud800'"),
    "name of a queue with a NUL": (lambda: BpfQueue(c_uint32, name="a\0"), DataTypeError, r"'a\\x00'"),
    "name of a variable": (lambda: Global(c_uint32, name="a\0b"), DataTypeError, r"'a\\x00b'"),
    "name of a program": (compiled(name=LONE), DataRangeError, "program's name has a lone surrogate"),
    "name of a program with a NUL": (compiled(name="a\0b"), DataRangeError, "program's name has no NUL"),
    "name that is a number": (compiled(name=3), DataTypeError, "program's name is a str, not 3"),
    "name that is bytes": (compiled(name=b"x"), DataTypeError, "program's name is a str, not b'x'"),
    "key in a simulated program": (of(words, lambda m: simulate(lambda _skb: 1 if m.get(LONE) else 0, bytes(64))),
                                   DataRangeError, "lone surrogate"),
}  # fmt: skip

LICENSES: dict[str, Row] = {
    repr(given): (compiled(license=given), DataTypeError, "license is a str of ASCII characters, such as 'GPL'")
    for given in (None, 3, b"GPL", ["GPL"], "GPL\0 v2", "é", LONE)
}

ABSTRACT = (ctypes.Array, Structure, Union, ctypes._SimpleCData, With, None, "c_uint32", int, c_uint8 * 0, py_object,
            c_char_p, POINTER(c_uint32))
PLACES: dict[str, Callable[[Any], Any]] = {
    "key": lambda kind: HashMap(kind, c_uint32, 4),
    "value": lambda kind: HashMap(c_uint32, kind, 4),
    "array": lambda kind: ArrayMap(kind, 4),
    "value of each CPU": lambda kind: PerCpuArrayMap(kind, 4),
    "address": lambda kind: LpmTrieMap(kind, c_uint32, 4),
    "record of a queue": BpfQueue,
    "record of a ring": RingBuffer,
    "record of a user ring": UserRingBuffer,
    "variable": Global,
}
TYPES: dict[str, Row] = {
    f"{place}: {kind!r}": (lambda make=make, kind=kind: make(kind), DataTypeError, ".")
    for place, make in PLACES.items() for kind in ABSTRACT
}  # fmt: skip


def update(values: Any) -> Callable[[], None]:
    return of(lambda: HashMap(c_uint32, c_uint32, 4), lambda m: m.update([1, 2], values))


def read_into(buffer: Any) -> Callable[[], None]:
    return of(lambda: RingBuffer(c_uint64, 4096), lambda ring: ring.read_into(buffer, 0))


WANTED = "writable, contiguous buffer"
OWNED = "Python objects or pointers"
class Unspeakable:
    """An object that can't be shown."""

    def __repr__(self) -> str:
        raise ValueError("mine")


HIDDEN: Any = type("Hidden", (Structure,), {"_fields_": [("x", c_uint32), ("y", c_uint8 * 4)]})
HIDDEN.x = property(lambda self: 5)
DIGITS = "a number of 16610 bits"
ODD: dict[str, Row] = {
    "key that can't be shown": (of(lambda: HashMap(c_uint32, c_uint32, 4), lambda m: m.__setitem__(Unspeakable(), 1)),
                                DataTypeError, r"object of type Unspeakable \(whose repr\(\) raises ValueError\)"),
    "text that can't be shown": (of(words, lambda m: m.__setitem__(Unspeakable(), 1)), DataTypeError, "Unspeakable"),
    "column that can't be shown": (update(Unspeakable()), DataTypeError, "Unspeakable"),
    "packet that can't be shown": (of(program, lambda p: p.test_run(Unspeakable())), DataTypeError, "Unspeakable"),
    "name that can't be shown": (compiled(name=Unspeakable()), DataTypeError, "Unspeakable"),
    "type that can't be shown": (lambda: Global(Unspeakable()), DataTypeError, "Unspeakable"),
    "number of thousands of digits": (of(words, lambda m: m.__setitem__("a", 10**5000)), DataRangeError, DIGITS),
    "index of thousands of digits": (of(lambda: ArrayMap(c_uint32, 4), lambda m: m.__setitem__(10**5000, 1)),
                                     IndexOutOfRange, DIGITS),
    "runs of thousands of digits": (of(program, lambda p: p.test_run(bytes(20), repeat=10**5000)), ValueError, DIGITS),
    "hidden field": (lambda: HashMap(c_uint32, HIDDEN, 4), DataTypeError, "Hidden.x is a field, and the class defines"),
}  # fmt: skip

BUFFERS: dict[str, Row] = {
    "objects of ctypes": (read_into((py_object * 4)()), DataTypeError, OWNED),
    "structures with objects": (read_into((Owning * 4)()), DataTypeError, OWNED),
    "pointers": (read_into((POINTER(c_uint32) * 4)()), DataTypeError, OWNED),
    "texts of C": (read_into((c_char_p * 4)()), DataTypeError, OWNED),
    "functions": (read_into((ctypes.CFUNCTYPE(c_uint32) * 4)()), DataTypeError, OWNED),
    "bytes": (read_into(bytes(64)), DataTypeError, f"{WANTED}.*is read-only"),
    "read-only memory": (read_into(memoryview(bytearray(64)).toreadonly()), DataTypeError, f"{WANTED}.*is read-only"),
    "memory with gaps": (read_into(memoryview(bytearray(64))[::2]), DataTypeError, f"{WANTED}.*gaps"),
    "a str": (read_into("x" * 64), DataTypeError, f"{WANTED}.*of type str"),
    "a list": (read_into([0] * 64), DataTypeError, WANTED),
    "nothing": (read_into(None), DataTypeError, WANTED),
    "little": (read_into(bytearray(7)), DataRangeError, "8 bytes, the buffer 7"),
    "packet of objects": (of(program, lambda p: p.test_run((py_object * 4)())), DataTypeError, f"packet.*{OWNED}"),
    "packet of pointers": (of(program, lambda p: p.test_run((c_char_p * 4)())), DataTypeError, OWNED),
    "packet that is a str": (of(program, lambda p: p.test_run("x" * 20)), DataTypeError, "packet's bytes"),
    "context of objects": (of(program, lambda p: p.test_run(bytes(20), (Owning * 4)())), DataTypeError, OWNED),
}


def with_array(use: Callable[[Any], Callable[[], object]], make: Callable[[Any], Any]) -> Callable[[], object]:
    """Of what is made of numpy, if that is installed."""

    def call() -> None:
        use(make(pytest.importorskip("numpy")))()

    return call


ARRAYS: dict[str, Row] = {
    "objects": (with_array(read_into, lambda np: np.zeros(8, object)), DataTypeError, OWNED),
    "a field of objects": (with_array(read_into, lambda np: np.zeros(8, [("a", "i8"), ("b", "O")])),
                           DataTypeError, OWNED),
    "objects inside": (with_array(read_into, lambda np: np.zeros(8, [("x", [("y", "i4"), ("z", "O")])])),
                       DataTypeError, OWNED),
    "dates": (with_array(read_into, lambda np: np.zeros(8, "M8[ns]")), DataTypeError, "dtype 'M'"),
    "every second item": (with_array(read_into, lambda np: np.zeros(8, "u8")[::2]), DataTypeError, "gaps"),
    "columns first": (with_array(read_into, lambda np: np.zeros((2, 4), "u8", order="F")), DataTypeError, "gaps"),
    "packet of objects": (with_array(lambda a: of(program, lambda p: p.test_run(a)), lambda np: np.zeros(4, object)),
                          DataTypeError, OWNED),
    "column of objects": (with_array(update, lambda np: np.array([1, None], object)), DataTypeError, "None"),
    "column of records": (with_array(update, lambda np: np.zeros(2, [("a", "O")])), DataTypeError, "takes an int"),
    "column of dates": (with_array(update, lambda np: np.zeros(2, "M8[s]")), DataTypeError, "takes an int"),
    "no column": (with_array(update, lambda np: np.array(3)), DataTypeError, "two columns|has none"),
    "value of no dimension": (
        with_array(lambda a: of(lambda: HashMap(c_uint32, c_uint32 * 2, 4), lambda m: m.__setitem__(1, a)),
                   lambda np: np.array(3)), DataTypeError, "a sequence of 2 items"),
}  # fmt: skip

PATHS: dict[str, Row] = {
    f"{what}: {path!r}": (lambda use=use, path=path: use(path), error, message)
    for what, use in {
        "pin": lambda path: of(program, lambda p: p.pin(path))(),
        "open a pin": syscalls.obj_get,
        "capture": Capture,
        "is mounted": is_mounted,
        "mount": lambda path: mount("tracefs", path),
    }.items()
    for path, error, message in (
        ("/sys/fs/bpf/a\0b", DataRangeError, r"has no NUL, as '/sys/fs/bpf/a\\x00b'"),
        (b"/sys/fs/bpf/a\0", DataRangeError, "has no NUL"),
        ("/sys/fs/bpf/" + LONE, DataRangeError, r"no name of a file can have: '/sys/fs/bpf/\\ud800'"),
        (3, DataTypeError, "is a str, bytes or an os.PathLike, not 3"),
        (None, DataTypeError, "is a str, bytes or an os.PathLike, not None"),
    )
}  # fmt: skip
PATHS["kind of file system"] = (lambda: mount("a\0b", "/tmp"), DataRangeError, "file system has no NUL")  # type: ignore[arg-type]

NO_DEVICE = r"no network device .*; there are: .*\blo\b"
DEVICES: dict[str, Row] = {
    f"{what}: {dev!r}": (lambda use=use, dev=dev: use(dev), KernelError, NO_DEVICE)
    for what, use in {
        "number": ifindex,
        "clear": tc.clear_ingress_filter,
        "install": lambda dev: of(lambda: tc.IngressFilter(keep), lambda f: f.install(dev))(),
        "remove": lambda dev: of(lambda: tc.IngressFilter(keep), lambda f: f.remove(dev))(),
        "attach": lambda dev: of(lambda: xdp.XdpProgram(keep), lambda p: p.attach(dev))(),
        "detach": lambda dev: of(lambda: xdp.XdpProgram(keep), lambda p: p.detach(dev))(),
    }.items()
    for dev in ("lo\0", "a\0b", LONE, "", "x" * 300, HUGE, 1 << 31, -1, 0, 1 << 80)
}  # fmt: skip


class Socketlike:
    """Says that its descriptor is any number."""

    def __init__(self, number: Any) -> None:
        self.number = number

    def fileno(self) -> Any:
        return self.number


def attach(sock: Any) -> Callable[[], None]:
    return of(lambda: SocketFilter(keep), lambda f: f.attach(sock))


INT = "doesn't fit the number of a descriptor: it holds -1 to 2147483647"
NUMBERS: dict[str, Row] = {
    **{f"attach to {number}": (attach(number), DataRangeError, INT) for number in (HUGE, 1 << 31, -HUGE, 1 << 80)},
    **{f"detach from {number}": (of(lambda: SocketFilter(keep), lambda f, n=number: f.detach(n)), DataRangeError, INT)
       for number in (HUGE, -2)},
    "a fileno() too large": (attach(Socketlike(HUGE)), DataRangeError, INT),
    "a fileno() that is a text": (attach(Socketlike("3")), DataTypeError, "number of a descriptor takes an int"),
    "a fileno() that is None": (attach(Socketlike(None)), DataTypeError, "number of a descriptor takes an int"),
    "a closed socket": (attach(Socketlike(-1)), KernelError, "attaching a filter to the socket"),
    "a truth": (attach(True), DataTypeError, "needs a socket"),
    "kind of a packet socket": (lambda: packet_socket(HUGE), DataRangeError, "doesn't fit kind"),
    "protocol of a packet socket": (lambda: packet_socket(protocol="ip"), DataTypeError, "protocol takes an int"),  # type: ignore[arg-type]
    "others' descriptor": (lambda: Handle.of(HUGE, "a map"), DataRangeError, "the descriptor of a map"),
    "action": (lambda: tc.IngressFilter(keep, HUGE), DataRangeError, "doesn't fit action"),
    "negative action": (lambda: tc.EgressFilter(keep, -HUGE), DataRangeError, "doesn't fit action"),
    "action that is a text": (lambda: tc.IngressFilter(keep, "drop"), DataTypeError, "action is a result of tc"),  # type: ignore[arg-type]
    **{f"max_entries {number}": (lambda number=number: HashMap(c_uint32, c_uint32, number), DataRangeError,
                                 "doesn't fit max_entries") for number in (HUGE, 1 << 32, 0, -1)},
    "entries of an array": (lambda: ArrayMap(c_uint32, HUGE), DataRangeError, "doesn't fit"),
    "pages": (lambda: BpfQueue(c_uint32, HUGE), DataRangeError, "doesn't fit num_pages"),
    "size": (lambda: RingBuffer(c_uint32, HUGE), DataRangeError, "doesn't fit size"),
    "size of a user ring": (lambda: UserRingBuffer(c_uint32, HUGE), DataRangeError, "doesn't fit size"),
    "program": (of(lambda: ProgArray(4), lambda m: m.__setitem__(0, HUGE)), DataRangeError, "doesn't fit"),
    "index": (of(lambda: ArrayMap(c_uint32, 4), lambda m: m.__setitem__(HUGE, 1)), Py2BpfError, str(HUGE)),
}  # fmt: skip


@pytest.fixture(params=["kernel", "vm"], autouse=True)
def backend(request: pytest.FixtureRequest) -> Iterator[None]:
    with vm.backend(request.param):
        yield


REFUSED = {
    f"{group}: {name}": row
    for group, rows in {"text": TEXTS, "license": LICENSES, "type": TYPES, "buffer": BUFFERS, "array": ARRAYS,
                        "odd": ODD}.items()
    for name, row in rows.items()
}
IN_KERNEL = {
    f"{group}: {name}": row
    for group, rows in {"path": PATHS, "device": DEVICES, "number": NUMBERS}.items()
    for name, row in rows.items()
}


def refused(row: Row) -> None:
    call, error, words = row
    with pytest.raises(error) as caught:
        call()
    assert re.search(words, str(caught.value), re.S), str(caught.value)
    str(caught.value).encode()  # what the user's terminal can show


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    refused(REFUSED[name])


@pytest.mark.parametrize("name", IN_KERNEL)
@pytest.mark.parametrize("backend", ["kernel"], indirect=True)
def test_refused_by_the_kernels_side(name: str) -> None:
    refused(IN_KERNEL[name])


@pytest.mark.parametrize(("probe", "place"), [
    (tracepoint.probe, "sched:a\0b"), (tracepoint.probe, "sched:" + LONE), (tracepoint.probe, "é:switch"),
    (tracepoint.probe, "sched:sched_switch\n"), (tracepoint.probe, "../..:passwd"), (kprobe, "sys_close\0"),
    (kprobe, "sys_close\n"), (kprobe, LONE), (kprobe, "ſys_close"), (kprobe, "sys_close+" + "9" * 5000),
    (kprobe, "sys_close+0x" + "f" * 17),
])  # fmt: skip
@pytest.mark.parametrize("backend", ["kernel"], indirect=True)
def test_places_of_probes(probe: Any, place: str) -> None:
    with pytest.raises(ValueError, match=r"is no tracepoint: give|is no function of the kernel: give"):
        probe(place)


def test_what_is_no_refusal() -> None:
    """Memory of numbers and structures of them, whatever they are called."""
    for room in (bytearray(64), array.array("Q", [0] * 8), (c_uint64 * 8)(), (c_void_p * 8)(), (Named * 8)()):
        with RingBuffer(c_uint64, 4096) as ring:
            assert ring.read_into(room, 0) == 0
    numpy = pytest.importorskip("numpy")
    for fields in ("u8", [("O", "u8")], [("zX", "u8")], [("at", "u4"), ("b", "S4")]):
        with RingBuffer(c_uint64, 4096) as ring:
            assert ring.read_into(numpy.zeros(8, fields), 0) == 0


def test_surrogates_of_file_names_are_names() -> None:
    """What os.fsdecode() made of bytes that are no UTF-8 is a path."""
    with pytest.raises(FileNotFoundError):
        Capture("/nowhere/\udcff")
    assert is_mounted("/\udcff") is False  # type: ignore[arg-type]
