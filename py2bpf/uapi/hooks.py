"""The hooks: one row for each place of the kernel to which programs can be attached, with all facts about it.

The compiler, the command line, the simulation, the embedded VM and the tests of the documentation read these rows.
``row_of()`` finds the row for a program.
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
    """The meaning of a program's results.

    ``default`` is the result of ``return`` and ``return None``, ``fallback`` the result where Python would raise.
    ``names`` are the kernel's names of results, or words for them; ``other`` is the word for all other results, if any.
    ``bounds`` are the least and the greatest result that the verifier accepts; None if it accepts any.
    """

    default: int = 0
    fallback: int = 0
    names: Mapping[int, str] = field(default_factory=dict)
    other: str = ""
    bounds: tuple[int, int] | None = None

    def name(self, number: int) -> str:
        """The name of a result, given as an unsigned 32-bit number."""
        return self.names.get(number) or self.other or str(number)


@dataclass(frozen=True)
class Packet:
    """How programs of a hook see their packet.

    The packet that programs see begins at byte ``begin`` of the Ethernet frame. ``loads``: BPF_LD_ABS, and so
    load_skb_*, works. ``access``: ctx.packet() gives views of the packet; with ``stores``, programs can write to them.
    ``fields`` are the fields of the context that programs may write: see is_valid_access in net/core/filter.c.
    """

    begin: int = 0
    loads: bool = False
    access: bool = False
    stores: bool = False
    fields: tuple[str, ...] = ()


class Trait(Flag):
    """Further properties of a hook."""

    NONE = 0
    TRACING = auto()
    """Programs observe the kernel, and decide nothing."""
    LOCKS = auto()
    """Programs may use maps with spin locks: check_map_prog_compatibility() of kernel/bpf/verifier.c."""
    TEST_RUN = auto()
    """The kernel can make test runs of the programs."""
    CAPTURES = auto()
    """Programs see packets as capture files have them, so a capture can be replayed."""


class Setup(Enum):
    """The context that a test run makes, in the embedded VM or the simulation (``enum vm_class`` of the C core)."""

    SKB = "a packet as __sk_buff"
    XDP = "a packet as xdp_md"
    PLAIN = "the context that the caller gives"


class Attach(Enum):
    """How programs are attached: the module of py2bpf/hooks/ and its function that does it."""

    SOCKET = "sockets.to_socket"
    DEVICE = "devices.to_device"
    TRAFFIC_CONTROL = "traffic_control.to_traffic_control"
    PERF_EVENT = "events.to_event"


@dataclass(frozen=True, eq=False)
class Hook:
    """A program type, with an attach type if programs are loaded for one.

    ``name`` is the hook's name in messages, on the command line and in ``sim.run(hook=...)``; ``alias`` is another
    accepted name. ``section`` is libbpf's name. ``context`` is the argument of programs. ``module`` is the module with
    which users attach programs; without one, ``attach`` is None, and programs can only be loaded and test-run.
    ``since`` is the Linux version that brought the hook, for messages: whether a kernel has the hook is found by
    trying.
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
        """The HookSpec for the compiler."""
        results, packet = self.results, self.packet or Packet()
        return HookSpec(
            self.prog_type, self.name, results.default, results.fallback, packet.loads, self.attach_type or 0,
            packet_access=packet.access, packet_stores=packet.stores, results=results.bounds,
        )  # fmt: skip

    @property
    def program(self) -> str:
        """The words for one of the hook's programs in a sentence, without an article."""
        if Trait.TRACING in self.traits:
            return "tracing program"
        return self.name.replace("_", " ") if self.name.endswith("filter") else f"{self.name} program"

    @property
    def programs(self) -> str:
        """The same in the plural."""
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
        results=Results(ALLOW, ALLOW, bounds=(0, ALLOW)),  # programs for egress alone could also return 2 and 3
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
"""All hooks for which functions can be compiled."""

BY_TYPE: Final[dict[int, Hook]] = {
    kind: next(hook for hook in HOOKS if hook.prog_type == kind)
    for kind in dict.fromkeys(hook.prog_type for hook in HOOKS)
}
"""The first row of each program type."""

BY_NAME: Final = {name: hook for hook in HOOKS for name in (hook.name, hook.alias) if name}
"""The rows by their names and aliases."""

SPECS: Final[dict[int, HookSpec]] = {kind: hook.spec for kind, hook in BY_TYPE.items()}
"""The default HookSpec for each program type."""

TITLES: Final = {struct: hook.context.title for hook in HOOKS for struct in hook.context.structs}
"""The titles of the contexts' structures, for messages."""

_BY_PLACE: Final[dict[tuple[int, int], Hook]] = {(hook.prog_type, hook.attach_type or 0): hook for hook in HOOKS}


def row_of(spec: HookSpec) -> Hook | None:
    """The row for a program; None for program types that have no row."""
    return _BY_PLACE.get((spec.prog_type, spec.attach_type)) or BY_TYPE.get(spec.prog_type)
