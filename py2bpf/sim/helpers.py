"""Simulations of the kernel's helpers: arguments are brought into a common form, and a table gives the handler.

Handlers get the run, and then the helper's arguments without sizes: memory as bytes (for reading) or a memoryview
(for writing) of exactly the size, a map as its view, keys and values as bytes, numbers as ints.
"""

from __future__ import annotations

import ctypes
import errno
import operator
import time
from collections.abc import Callable
from typing import Any, Final

from ..given import shown, text_for_c
from ..uapi.helpers import Arg, HelperInfo, Ret
from ..uapi.map_types import title
from ..uapi.ring_buffers import RingQuery
from . import addresses, map_views, packet_helpers, places, printk, values
from .errors import SimulationError
from .pseudo import raw, target, written
from .running import Run

Handler = Callable[..., Any]
_EINVAL, _EFAULT, _ERANGE = -errno.EINVAL, -errno.EFAULT, -errno.ERANGE
_COMM_SIZE: Final = 16
_HZ: Final = 250


def call(run: Run, info: HelperInfo, args: tuple[Any, ...]) -> Any:
    """Calls a helper. Raises SimulationError for helpers without a simulation, and for wrong arguments."""
    handler = HANDLERS.get(info.name)
    if handler is None:
        reason = NOT_SIMULATED[info.name]
        raise SimulationError(f"{info.name}() has no simulation: {reason}; "
                              "test what calls it in the kernel, with prog.test_run")  # fmt: skip
    if info.name == "trace_printk":
        return printk.trace(run, args)
    arguments = _Arguments(run, info)
    result = handler(run, *arguments.convert(args))
    for text in arguments.texts:
        text[:] = (bytes(text).partition(b"\0")[0] if result >= 0 else b"").ljust(len(text), b"\0")
    return None if info.ret is Ret.VOID else result


class _Arguments:
    """Brings the arguments of a call into the handlers' form."""

    def __init__(self, run: Run, info: HelperInfo) -> None:
        self.run, self.info = run, info
        self.view: Any = None
        self.texts: list[memoryview] = []  # filled with zeros after their text

    def convert(self, args: tuple[Any, ...]) -> list[Any]:
        converted: list[Any] = []
        for position, (kind, index, value) in enumerate(self._pair(args)):
            if kind is not Arg.SIZE:
                null = position in self.info.nullable and (value is None or (isinstance(value, int) and value == 0))
                converted.append(b"" if null else self._one(kind, index, value, args))
                if position in self.info.texts and isinstance(places.argument(index) or value, ctypes.Array):
                    self.texts.append(converted[-1])
            elif value is not None:
                converted[-1] = self._cut(converted[-1], operator.index(values.plain(value)))
        return converted

    def _pair(self, args: tuple[Any, ...]) -> list[tuple[Arg, int, Any]]:
        """Each parameter with its argument's number and value. A size that is left out has the value None."""
        kinds = self.info.args
        for missing in range(self.info.optional + 1):
            wanted = kinds[: len(kinds) - missing]
            if len(args) == len(wanted):
                return [(kind, index, args[index]) for index, kind in enumerate(wanted)]
            if len(args) == len(wanted) - wanted.count(Arg.SIZE):
                rest = iter(enumerate(args))
                return [(kind, -1, None) if kind is Arg.SIZE else (kind, *next(rest)) for kind in wanted]
        raise SimulationError(f"{self.info.name}() is called with {len(args)} arguments; it takes {len(kinds)}, "
                              f"of which sizes may be left out")  # fmt: skip

    def _cut(self, memory: Any, size: int) -> Any:
        if not min(1, len(memory)) <= size <= len(memory):
            raise ValueError(f"{self.info.name}() of {size} bytes does not fit an object of {len(memory)}")
        return memory[:size]

    def _one(self, kind: Arg, index: int, value: Any, args: tuple[Any, ...]) -> Any:
        if kind is Arg.CTX:
            return value
        if kind is Arg.MAP:
            self.view = map_views.view_of(self.run, value)
            self._check_map(index)
            return self.view
        if kind is Arg.KEY:
            return self.view.key(value)
        if kind is Arg.VALUE:
            return self.view.encode_value(value)
        if kind is Arg.OUT:
            return written(self.run, args, index, self.info.name)
        if kind in (Arg.MEM, Arg.FMT):
            return self._read(index, value)
        return self._number(index, value)

    def _check_map(self, index: int) -> None:
        kinds, given = self.info.maps, self.view.spec.kind
        if kinds and given not in kinds:
            raise SimulationError(f"argument {index + 1} of {self.info.name}() must be "
                                  f"{' or '.join(map(title, kinds))}, not {title(given)}")  # fmt: skip

    def _read(self, index: int, value: Any) -> bytes:
        """The bytes that the helper reads: an object's, a constant's with its NUL, or a number's in 8 bytes."""
        if self.view is not None and self.view.spec.data_type is not None:
            return map_views.record_bytes(self.view, value)
        if isinstance(value, bytes) and (found := places.argument(index)) is not None:
            return bytes(raw(found))
        if isinstance(value, (str, bytes)):
            return text_for_c(value)
        if isinstance(value, int):
            return (value & (1 << 64) - 1).to_bytes(8, "little")
        return bytes(raw(target((value,), 0, self.info.name)))

    def _number(self, index: int, value: Any) -> int:
        if value is None:
            raise TypeError(f"argument {index + 1} of {self.info.name}() is an integer, not None")
        if isinstance(value, bytes) and (found := places.argument(index)) is not None:
            value = found
        if isinstance(value, (ctypes.Structure, ctypes.Union, ctypes.Array)) or addresses.is_meant(value):
            return self.run.environment.memory.share(value)
        try:
            return operator.index(values.plain(value))
        except TypeError:
            which = f"argument {index + 1} of {self.info.name}()"
            raise SimulationError(f"{which} is an integer, not {shown(value)}") from None


# Maps


def _lookup(_: Run, view: Any, key: bytes) -> Any:
    return view.reference(key) if view.numbers else view.find(key)


def _update(_: Run, view: Any, key: bytes, value: bytes, flags: int) -> int:
    return int(view.store(key, value, flags)) if flags in (0, 1, 2) else _EINVAL


def _delete(_: Run, view: Any, key: bytes) -> int:
    return int(view.delete(key))


def _perf_output(s: Run, _ctx: Any, view: Any, _flags: int, data: bytes) -> int:
    return int(view.emit(s, data))


def _ring_output(s: Run, view: Any, data: bytes, _flags: int) -> int:
    return int(view.emit(s, data))


def _ring_query(s: Run, view: Any, flags: int) -> int:
    """The positions are those of a ring that was empty when the program began."""
    waiting = 0 if view.ring is None else view.ring.waiting()
    size = int(view.spec.max_entries)
    told: dict[int, int] = {RingQuery.AVAIL_DATA: waiting, RingQuery.RING_SIZE: size, RingQuery.PROD_POS: waiting}
    return told.get(flags, 0)


# Time, chance, who is running


def _clock(s: Run) -> int:
    return s.environment.now()


def _tai(s: Run) -> int:
    return s.environment.now() if isinstance(s.environment.clock, int) else time.clock_gettime_ns(time.CLOCK_TAI)


def _boot(s: Run) -> int:
    return s.environment.now() if isinstance(s.environment.clock, int) else time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def _jiffies(s: Run) -> int:
    return s.environment.now() * _HZ // 10**9


def _comm(s: Run, out: memoryview) -> int:
    name = s.environment.comm[: _COMM_SIZE - 1]
    out[:] = name[: max(len(out) - 1, 0)].ljust(len(out), b"\0")
    return 0


# Foreign memory

_HALF_BITS: Final = 47
"""The bits of a user-space address on x86-64. In the kernel's addresses, all higher bits are 1."""


def _probe_read(s: Run, out: memoryview, address: int) -> int:
    found = s.environment.memory.read(address & (1 << 64) - 1, len(out))
    out[:] = bytes(len(out)) if found is None else found
    return _EFAULT if found is None else 0


def _probe_read_str(s: Run, out: memoryview, address: int) -> int:
    """Returns the length with NUL. Longer text is cut, and still ends with a NUL."""
    if not len(out):
        return 0
    found = s.environment.memory.read_text(address & (1 << 64) - 1, len(out) - 1)
    if found is None:
        out[:] = bytes(len(out))
        return _EFAULT
    out[: len(found) + 1] = found + b"\0"
    return len(found) + 1


def _of_kernel(probe: Handler) -> Handler:
    """A handler that reads kernel memory. The kernel refuses other addresses with -ERANGE before it reads."""

    def of_kernel(s: Run, out: memoryview, address: int) -> int:
        result = int(probe(s, out, address))
        is_kernels = address >> _HALF_BITS in (-1, (1 << 64 - _HALF_BITS) - 1)
        return _ERANGE if result == _EFAULT and not is_kernels else result

    return of_kernel


def _of_user(probe: Handler) -> Handler:
    """A handler that reads a process's memory, to which the program's own objects don't belong."""

    def of_user(s: Run, out: memoryview, address: int) -> int:
        if not s.environment.memory.is_own(address):
            return int(probe(s, out, address))
        out[:] = bytes(len(out))
        return _EFAULT

    return of_user


def _probe_write(s: Run, address: int, data: bytes) -> int:
    return 0 if s.environment.memory.write(address & (1 << 64) - 1, data) else -1


def _func_ip(s: Run, ctx: Any) -> int:
    return int(ctx.ip)


# Strings


def _strncmp(_: Run, left: bytes, right: bytes) -> int:
    """strncmp(3), for at most the size of the first buffer."""
    for at, character in enumerate(left):
        other = right[at] if at < len(right) else 0
        if character != other or not character:
            return character - other
    return 0


def _parse(signed: bool) -> Handler:
    """strtol() and strtoul(). They return the characters used, or -EINVAL without digits, -ERANGE for large numbers."""

    def parse(_: Run, text: bytes, flags: int, out: memoryview) -> int:
        base = flags & 0x1F
        if base not in (0, 8, 10, 16) or flags & ~0x1F:
            return _EINVAL
        used, number = _digits(text.partition(b"\0")[0], base, signed)
        low, high = (-(1 << 63), (1 << 63) - 1) if signed else (0, (1 << 64) - 1)
        if not used:
            return _EINVAL
        if not low <= number <= high:
            return -34  # ERANGE
        out[:8] = (number & (1 << 64) - 1).to_bytes(8, "little")
        return used

    return parse


def _digits(text: bytes, base: int, signed: bool) -> tuple[int, int]:
    """How many characters make a number, and the number."""
    at = len(text) - len(text.lstrip())
    negative = text[at : at + 1] == b"-"
    if negative and not signed:
        return 0, 0
    at += negative
    prefixed = text[at : at + 2].lower() == b"0x"
    if base == 0:
        base = 16 if prefixed else 8 if text[at : at + 1] == b"0" else 10
    at += 2 if prefixed and base == 16 else 0
    end = at
    while end < len(text) and chr(text[end]).lower() in "0123456789abcdef"[:base]:
        end += 1
    return (end, (-1 if negative else 1) * int(text[at:end], base)) if end > at else (0, 0)


def _nothing(_s: Run, *_args: Any) -> int:
    return 0


HANDLERS: Final[dict[str, Handler]] = {
    "map_lookup_elem": _lookup,
    "map_update_elem": _update,
    "map_delete_elem": _delete,
    "spin_lock": _nothing,
    "spin_unlock": _nothing,
    "perf_event_output": _perf_output,
    "ringbuf_output": _ring_output,
    "ringbuf_query": _ring_query,
    "trace_printk": printk.trace,
    "trace_vprintk": printk.trace_vprintk,
    "snprintf": printk.snprintf,
    "ktime_get_ns": _clock,
    "ktime_get_coarse_ns": _clock,
    "ktime_get_boot_ns": _boot,
    "ktime_get_tai_ns": _tai,
    "jiffies64": _jiffies,
    "get_prandom_u32": lambda s: s.environment.random.getrandbits(32),
    "get_smp_processor_id": lambda s: s.environment.cpu,
    "get_numa_node_id": _nothing,
    "get_current_pid_tgid": lambda s: s.environment.tgid << 32 | s.environment.pid,
    "get_current_uid_gid": lambda s: s.environment.gid << 32 | s.environment.uid,
    "get_current_comm": _comm,
    "probe_read": _probe_read,
    "probe_read_kernel": _of_kernel(_probe_read),
    "probe_read_user": _of_user(_probe_read),
    "copy_from_user": _of_user(_probe_read),
    "probe_read_str": _probe_read_str,
    "probe_read_kernel_str": _of_kernel(_probe_read_str),
    "probe_read_user_str": _of_user(_probe_read_str),
    "probe_write_user": _probe_write,
    "get_func_ip": _func_ip,
    "get_attach_cookie": _nothing,
    "strncmp": _strncmp,
    "strtol": _parse(True),
    "strtoul": _parse(False),
    **packet_helpers.HANDLERS,
}
"""The helpers that have a simulation."""

_NOT_SIMULATED: Final = {
    "py2bpf has no such maps": ("map_push_elem", "map_pop_elem", "map_peek_elem", "get_local_storage",
                                "current_task_under_cgroup", "skb_under_cgroup", "redirect_map"),
    "it leads into another program": ("tail_call",),
    "programs use the methods of the ring buffer": ("ringbuf_reserve", "ringbuf_submit", "ringbuf_discard"),
    "one CPU is simulated; in user space every map shows all": ("map_lookup_percpu_elem",),
    "what it tells are the kernel's own objects": (
        "get_current_task", "get_current_task_btf", "get_current_cgroup_id", "get_current_ancestor_cgroup_id",
        "get_ns_current_pid_tgid", "get_netns_cookie", "get_socket_cookie", "get_socket_uid", "get_cgroup_classid",
        "skb_cgroup_classid", "skb_cgroup_id", "skb_ancestor_cgroup_id", "get_route_realm", "snprintf_btf",
        "skb_get_tunnel_key", "skb_get_tunnel_opt", "skb_get_xfrm_state", "skb_set_tunnel_key", "skb_set_tunnel_opt",
        "fib_lookup", "check_mtu"),
    "there is no stack of the kernel": ("get_stackid", "get_stack"),
    "it reads the processor's counters": ("perf_event_read", "perf_event_read_value", "perf_prog_read_value",
                                          "read_branch_records", "get_branch_snapshot"),
    "it would change what runs": ("send_signal", "send_signal_thread", "override_return"),
    "it depends on the kernel's secret": ("tcp_raw_gen_syncookie_ipv4", "tcp_raw_gen_syncookie_ipv6",
                                          "tcp_raw_check_syncookie_ipv4", "tcp_raw_check_syncookie_ipv6"),
    "it needs the buffers that a kernel's packet has": (
        "skb_vlan_push", "skb_vlan_pop", "skb_change_proto", "skb_change_head", "skb_adjust_room", "skb_ecn_set_ce",
        "clone_redirect", "redirect_neigh", "xdp_adjust_meta"),
}  # fmt: skip

NOT_SIMULATED: Final = {name: reason for reason, names in _NOT_SIMULATED.items() for name in names}
"""The helpers without a simulation, each with the reason."""
