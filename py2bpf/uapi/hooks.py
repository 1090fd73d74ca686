"""The hooks: one row for each place of the kernel that programs are attached to, with all that anybody must know of it.

Whoever needs a fact about hooks reads the row: the compiler, the command line, the simulation, the embedded VM, the
documentation. ``row_of()`` finds it for a program.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, Flag, auto
from functools import cached_property
from typing import Final

from ..spec import HookSpec
from . import contexts
from .contexts import KernelContext
from .prog_types import ALLOW, KEEP_PACKET, AttachType, ProgType
from .tc import TcAction
from .xdp import XdpAction

_ETHERNET: Final = 14


@dataclass(frozen=True)
class Results:
    """What a program's results mean.

    ``default`` is what ``return`` and ``return None`` give, ``fallback`` what the program gives where Python would
    raise. ``names`` are the kernel's names of results, or words for them; ``other`` is the word for all others, where
    there is one. ``bounds`` are the least and the greatest result that the verifier accepts, None where it takes any.
    """

    default: int = 0
    fallback: int = 0
    names: Mapping[int, str] = field(default_factory=dict)
    other: str = ""
    bounds: tuple[int, int] | None = None

    def name(self, number: int) -> str:
        """What people call a result, of 32 bits without sign."""
        return self.names.get(number) or self.other or str(number)


@dataclass(frozen=True)
class Packet:
    """How programs of a hook see their packet.

    The packet that they see begins at byte ``begin`` of the Ethernet frame. ``loads``: BPF_LD_ABS, and so load_skb_*,
    works. ``access``: ctx.packet() gives views of the packet; with ``stores`` they can be written. ``fields`` are those
    of the context that programs may store to: the is_valid_access functions of net/core/filter.c.
    """

    begin: int = 0
    loads: bool = False
    access: bool = False
    stores: bool = False
    fields: tuple[str, ...] = ()


class Trait(Flag):
    """What else is said of a hook in one word."""

    NONE = 0
    TRACING = auto()
    """Programs watch the kernel, and decide nothing."""
    LOCKS = auto()
    """They may use maps with spin locks: check_map_prog_compatibility() of kernel/bpf/verifier.c."""
    TEST_RUN = auto()
    """The kernel makes test runs of them."""
    CAPTURES = auto()
    """They see packets as a capture file has them, so that one can be replayed."""


class Setup(Enum):
    """What a test run of the embedded VM or of the simulation makes for a program (``enum vm_class`` of the C core)."""

    SKB = "a packet as __sk_buff"
    XDP = "a packet as xdp_md"
    PLAIN = "the context that the caller gives"


class Attach(Enum):
    """How programs are attached: the function of py2bpf/hooks/attach.py that does it."""

    SOCKET = "to_socket"
    DEVICE = "to_device"
    TRAFFIC_CONTROL = "to_traffic_control"
    PERF_EVENT = "to_event"


@dataclass(frozen=True, eq=False)
class Hook:
    """A program type, with an attach type where programs are loaded for one.

    ``name`` is how messages, the command line and ``sim.run(hook=...)`` call the hook, ``alias`` another name that they
    know. ``section`` is libbpf's name. ``context`` is what the kernel hands to programs. ``module`` has what users
    attach with; without one, ``attach`` is None: programs are only loaded and run for a test. ``since`` is the Linux
    version that brought the hook, for people: whether a kernel has the hook is found by trying.
    """

    name: str
    section: str
    prog_type: ProgType
    context: KernelContext
    since: str
    results: Results = Results()
    packet: Packet | None = None
    traits: Trait = Trait.NONE
    setup: Setup = Setup.PLAIN
    attach: Attach | None = None
    module: str = ""
    attach_type: AttachType | None = None
    alias: str = ""

    @cached_property
    def spec(self) -> HookSpec:
        """What the compiler must know of the hook."""
        results, packet = self.results, self.packet or Packet()
        return HookSpec(
            self.prog_type, self.name, results.default, results.fallback, packet.loads, self.attach_type or 0,
            packet_access=packet.access, packet_stores=packet.stores, results=results.bounds,
        )  # fmt: skip

    @property
    def program(self) -> str:
        """What one of its programs is called in a sentence, without an article."""
        if Trait.TRACING in self.traits:
            return "tracing program"
        return self.name.replace("_", " ") if self.name.endswith("filter") else f"{self.name} program"

    @property
    def programs(self) -> str:
        """The same of several."""
        return f"{self.program}s"


_TC_RESULTS: Final = Results(
    TcAction.OK, TcAction.OK, {each.value & 0xFFFFFFFF: each.name for each in TcAction}
)
_TC_PACKET: Final = Packet(
    loads=True, access=True, stores=True,
    fields=("cb", "mark", "priority", "queue_mapping", "tc_classid", "tc_index", "tstamp"),
)  # fmt: skip

HOOKS: Final = (
    Hook(
        "socket_filter", "socket", ProgType.SOCKET_FILTER, contexts.OF_SK_BUFF, "3.19",
        results=Results(0, KEEP_PACKET, {0: "drop"}, other="keep"),
        packet=Packet(begin=_ETHERNET, loads=True, fields=("cb",)),
        traits=Trait.TEST_RUN | Trait.CAPTURES,
        setup=Setup.SKB, attach=Attach.SOCKET, module="socket_filter",
    ),
    Hook(
        "kprobe", "kprobe", ProgType.KPROBE, contexts.OF_REGISTERS, "4.1",
        traits=Trait.TRACING, attach=Attach.PERF_EVENT, module="kprobe",
    ),
    Hook(
        "sched_cls", "tc", ProgType.SCHED_CLS, contexts.OF_SK_BUFF, "4.1",
        results=_TC_RESULTS,
        packet=_TC_PACKET,
        traits=Trait.LOCKS | Trait.TEST_RUN | Trait.CAPTURES,
        setup=Setup.SKB, attach=Attach.TRAFFIC_CONTROL, module="tc", alias="tc",
    ),
    Hook(
        "sched_act", "action", ProgType.SCHED_ACT, contexts.OF_SK_BUFF, "4.1",
        results=_TC_RESULTS,
        packet=_TC_PACKET,
        traits=Trait.LOCKS | Trait.TEST_RUN,
        setup=Setup.SKB,
    ),
    Hook(
        "tracepoint", "tracepoint", ProgType.TRACEPOINT, contexts.OF_EVENT, "4.7",
        traits=Trait.TRACING, attach=Attach.PERF_EVENT, module="tracepoint",
    ),
    Hook(
        "xdp", "xdp", ProgType.XDP, contexts.OF_XDP_MD, "4.8",
        results=Results(XdpAction.PASS, XdpAction.PASS, {each.value: each.name for each in XdpAction}),
        packet=Packet(access=True, stores=True),
        traits=Trait.LOCKS | Trait.TEST_RUN | Trait.CAPTURES,
        setup=Setup.XDP, attach=Attach.DEVICE, module="xdp",
    ),
    Hook(
        "perf_event", "perf_event", ProgType.PERF_EVENT, contexts.OF_PERF_EVENT, "4.9",
        traits=Trait.TRACING,
    ),
    Hook(
        "cgroup_skb", "cgroup/skb", ProgType.CGROUP_SKB, contexts.OF_SK_BUFF, "4.10",
        results=Results(ALLOW, ALLOW, bounds=(0, ALLOW)),  # loaded for outgoing packets alone it might give 2 and 3 too
        packet=Packet(begin=_ETHERNET, access=True, fields=("cb", "mark", "priority", "tstamp")),
        traits=Trait.LOCKS | Trait.TEST_RUN,
        setup=Setup.SKB,
    ),
    Hook(
        "raw_tracepoint", "raw_tp", ProgType.RAW_TRACEPOINT, contexts.OF_RAW_TRACEPOINT, "4.17",
        traits=Trait.TRACING | Trait.TEST_RUN,
    ),
    Hook(
        "raw_tracepoint_writable", "raw_tp.w", ProgType.RAW_TRACEPOINT_WRITABLE, contexts.OF_RAW_TRACEPOINT, "5.2",
        traits=Trait.TRACING,
    ),
)  # fmt: skip
"""All hooks that functions can be compiled for."""

BY_TYPE: Final[dict[int, Hook]] = {
    kind: next(hook for hook in HOOKS if hook.prog_type == kind)
    for kind in dict.fromkeys(hook.prog_type for hook in HOOKS)
}
"""The first row of each program type."""

BY_NAME: Final = {name: hook for hook in HOOKS for name in (hook.name, hook.alias) if name}
"""The rows by their names and aliases."""

SPECS: Final[dict[int, HookSpec]] = {kind: hook.spec for kind, hook in BY_TYPE.items()}
"""What programs of a type are compiled for, where nothing more is said."""

TITLES: Final = {struct: hook.context.title for hook in HOOKS for struct in hook.context.structs}
"""What the structures of contexts are called where a program's context is named."""

_BY_PLACE: Final[dict[tuple[int, int], Hook]] = {(hook.prog_type, hook.attach_type or 0): hook for hook in HOOKS}


def row_of(spec: HookSpec) -> Hook | None:
    """The row for a program; None for the types that only the user knows of."""
    return _BY_PLACE.get((spec.prog_type, spec.attach_type)) or BY_TYPE.get(spec.prog_type)
