"""Register allocation: graph colouring after Chaitin and Briggs, with coalescing and rematerialisation.

Register sets are bit masks in Python integers, which makes liveness and interference cheap. Values that live
across a call can't be in r0-r5, which calls destroy. A value that gets no register lives on the stack, or is
computed again where it is used if that needs no register; then everything is coloured anew.
"""

from __future__ import annotations

from typing import Final

from ...asm import Jump
from ...exception import InternalCompilerError
from ..ir.values import Block
from .machine import FRAME, JUMP_K, LOAD, PLAIN, STORE, VIRTUAL, Machine, MachineBlock, MachineFunction
from .spills import FIRST as FIRST_SPILL

_ALLOCATABLE: Final = 0x3FF
_PHYSICAL: Final = (1 << VIRTUAL) - 1
_INFINITE: Final = float("inf")
_ROUNDS: Final = 40
_ORDERS: Final = (Jump.JLT, Jump.JLE, Jump.JGT, Jump.JGE, Jump.JSLT, Jump.JSLE, Jump.JSGT, Jump.JSGE)
_BOUNDING: Final = frozenset(JUMP_K[order] for order in _ORDERS)


class Allocation:
    """The result: a register for each virtual one, and how many 8-byte spill places there are."""

    def __init__(self, registers: dict[int, int], spills: int) -> None:
        self.registers = registers
        self.spills = spills


def allocate(code: MachineFunction) -> Allocation:
    """Assigns registers; rewrites the code where values are spilled."""
    spills = 0
    temporaries: set[int] = set()
    for _ in range(_ROUNDS):
        graph = _Graph(code, temporaries)
        failed = graph.colour()
        if not failed:
            return Allocation(graph.colours(), spills)
        spills = _spill(code, failed, temporaries, spills)
    raise InternalCompilerError("regalloc", "registers do not settle")


def liveness(code: MachineFunction) -> dict[Block, int]:
    """The registers that are alive at the end of each block; drops instructions whose result nobody reads."""
    blocks = code.blocks
    live_in: dict[Block, int] = {block.label: 0 for block in blocks}
    changed = True
    while changed:
        changed = False
        for block in reversed(blocks):
            live = _live_out(block, live_in)
            for instruction in reversed(block.code):
                for written in instruction.writes:
                    live &= ~(1 << written)
                for read in instruction.reads:
                    live |= 1 << read
            if live != live_in[block.label]:
                live_in[block.label] = live
                changed = True
    given = (2 << 1 + code.fn.params) - 2  # r1 and the registers of a subprogram's parameters
    if live_in[blocks[0].label] & ~(given | 1 << FRAME):
        raise InternalCompilerError("codegen", "a register is read that nothing wrote")
    return {block.label: _live_out(block, live_in) for block in blocks}


def _live_out(block: MachineBlock, live_in: dict[Block, int]) -> int:
    live = 0
    for succ in block.succs:
        live |= live_in[succ]
    return live


def _is_dead(instruction: Machine, live: int) -> bool:
    """Whether the instruction only computes a virtual register that nobody reads."""
    if len(instruction.writes) != 1 or instruction.clobbers or instruction.writes[0] < VIRTUAL:
        return False
    return not live >> instruction.writes[0] & 1


class _Graph:
    """Interference between virtual registers, after coalescing."""

    def __init__(self, code: MachineFunction, temporaries: set[int]) -> None:
        self.code = code
        self.temporaries = temporaries
        count = code.registers
        self.adjacent = [0] * count
        self.cost = [0.0] * count
        self.alias = list(range(count))
        self.moves: list[tuple[float, int, int]] = []
        self.hints: dict[int, list[tuple[float, int]]] = {}
        self.present = 0
        self.colour_of: dict[int, int] = {}
        self.partners: dict[int, list[tuple[float, int]]] = {}
        self._build()
        self._coalesce()
        self._pair()

    def _build(self) -> None:
        live_out = liveness(self.code)
        for block in self.code.blocks:
            weight = 8.0 ** min(block.depth, 6)
            live = live_out[block.label]
            kept: list[Machine] = []
            for instruction in reversed(block.code):
                if _is_dead(instruction, live):
                    continue
                kept.append(instruction)
                live = self._instruction(instruction, live, weight)
            block.code = kept[::-1]
        self._symmetric()

    def _instruction(self, instruction: Machine, live: int, weight: float) -> int:
        written = instruction.clobbers
        for register in instruction.writes:
            written |= 1 << register
            self.cost[register] += weight
        others = live
        if instruction.is_move:
            others &= ~(1 << instruction.src)
            self._move(instruction.dst, instruction.src, weight)
        rest = written
        while rest:
            low = rest & -rest
            register = low.bit_length() - 1
            self.adjacent[register] |= (others | written) & ~low
            if register >= VIRTUAL:
                self.present |= low
            rest ^= low
        live &= ~written
        for register in instruction.reads:
            live |= 1 << register
            self.cost[register] += weight
        return live

    def _move(self, dst: int, src: int, weight: float) -> None:
        if dst >= VIRTUAL and src >= VIRTUAL:
            self.moves.append((weight, dst, src))
        elif dst >= VIRTUAL and src < FRAME:
            self.hints.setdefault(dst, []).append((weight, src))
        elif src >= VIRTUAL and dst < FRAME:
            self.hints.setdefault(src, []).append((weight, dst))

    def _symmetric(self) -> None:
        for register in range(len(self.adjacent)):
            rest = self.adjacent[register]
            bit = 1 << register
            while rest:
                low = rest & -rest
                self.adjacent[low.bit_length() - 1] |= bit
                rest ^= low

    def allowed(self, register: int) -> int:
        """The physical registers that the value may be in, as a mask."""
        return _ALLOCATABLE & ~self.adjacent[register]

    # coalescing

    def find(self, register: int) -> int:
        while self.alias[register] != register:
            self.alias[register] = self.alias[self.alias[register]]
            register = self.alias[register]
        return register

    def _coalesce(self) -> None:
        """Makes one register of the two ends of a move where that surely costs no spill (Briggs)."""
        for _, dst, src in sorted(self.moves, key=lambda move: -move[0]):
            a, b = self.find(dst), self.find(src)
            if a == b or self.adjacent[a] >> b & 1:
                continue
            if a in self.temporaries or b in self.temporaries:
                continue
            if self._safe(a, b):
                self._union(a, b)

    def _safe(self, a: int, b: int) -> bool:
        both = self.adjacent[a] | self.adjacent[b]
        colours = (_ALLOCATABLE & ~both).bit_count()
        neighbours = both & ~_PHYSICAL & self.present
        if neighbours.bit_count() < colours:
            return True
        significant = 0
        while neighbours:
            low = neighbours & -neighbours
            register = low.bit_length() - 1
            if (self.adjacent[register] & ~_PHYSICAL).bit_count() >= self.allowed(register).bit_count():
                significant += 1
            neighbours ^= low
        return significant < colours

    def _union(self, a: int, b: int) -> None:
        self.alias[b] = a
        self.adjacent[a] |= self.adjacent[b]
        self.cost[a] += self.cost[b]
        if b in self.hints:
            self.hints.setdefault(a, []).extend(self.hints[b])
        self.present &= ~(1 << b)
        self.present |= 1 << a
        bit, gone = 1 << a, ~(1 << b)
        rest = self.adjacent[b]
        while rest:
            low = rest & -rest
            register = low.bit_length() - 1
            self.adjacent[register] = self.adjacent[register] & gone | bit
            rest ^= low

    def _pair(self) -> None:
        """Notes for each register which others the moves that are left join it with."""
        for weight, dst, src in self.moves:
            a, b = self.find(dst), self.find(src)
            if a != b:
                self.partners.setdefault(a, []).append((weight, b))
                self.partners.setdefault(b, []).append((weight, a))

    # colouring

    def colour(self) -> list[int]:
        """Assigns colours; returns the registers (as all their virtual names) that must be spilled."""
        order = self._simplify()
        failed = []
        for register in reversed(order):
            if not self._select(register):
                failed.append(register)
        if not failed:
            return []
        return [v for v in range(VIRTUAL, self.code.registers) if self.find(v) in failed]

    def _simplify(self) -> list[int]:
        """Registers in the order of removal: those that surely get a colour first."""
        rest = self.present
        degree: dict[int, int] = {}
        limit: dict[int, int] = {}
        easy: list[int] = []
        registers = self._bits(rest)
        for register in registers:
            degree[register] = (self.adjacent[register] & rest).bit_count()
            limit[register] = self.allowed(register).bit_count()
            if degree[register] < limit[register]:
                easy.append(register)
        order: list[int] = []
        while rest:
            while easy:
                register = easy.pop()
                if rest >> register & 1:
                    rest = self._remove(register, rest, degree, limit, easy, order)
            if rest:
                victim = min(self._bits(rest), key=lambda r: self._spill_cost(r) / (degree[r] + 1))
                rest = self._remove(victim, rest, degree, limit, easy, order)
        return order

    def _remove(self, register: int, rest: int, degree: dict[int, int], limit: dict[int, int], easy: list[int],
                order: list[int]) -> int:  # fmt: skip
        rest &= ~(1 << register)
        order.append(register)
        for other in self._bits(self.adjacent[register] & rest):
            degree[other] -= 1
            if degree[other] == limit[other] - 1:
                easy.append(other)
        return rest

    def _spill_cost(self, register: int) -> float:
        return _INFINITE if register in self.temporaries else self.cost[register]

    @staticmethod
    def _bits(mask: int) -> list[int]:
        found = []
        while mask:
            low = mask & -mask
            found.append(low.bit_length() - 1)
            mask ^= low
        return found

    def _select(self, register: int) -> bool:
        free = self.allowed(register)
        for other in self._bits(self.adjacent[register] & ~_PHYSICAL):
            colour = self.colour_of.get(other)
            if colour is not None:
                free &= ~(1 << colour)
        if not free:
            return False
        self.colour_of[register] = self._preferred(register, free)
        return True

    def _preferred(self, register: int, free: int) -> int:
        """The free register that saves most moves; else one that calls destroy anyway."""
        votes: dict[int, float] = {}
        for weight, physical in self.hints.get(register, ()):
            if free >> physical & 1:
                votes[physical] = votes.get(physical, 0) + weight
        for weight, other in self.partners.get(register, ()):
            colour = self.colour_of.get(other)
            if colour is not None and free >> colour & 1:
                votes[colour] = votes.get(colour, 0) + weight
        if votes:
            return max(votes, key=lambda colour: votes[colour])
        return (free & -free).bit_length() - 1

    def colours(self) -> dict[int, int]:
        """The physical register of every virtual one."""
        return {v: self.colour_of.get(self.find(v), 0) for v in range(VIRTUAL, self.code.registers)}


def _spill(code: MachineFunction, failed: list[int], temporaries: set[int], spills: int) -> int:
    """Rewrites the code so that the registers live on the stack, or are made anew at each use."""
    chosen = set(failed)
    definitions: dict[int, list[Machine]] = {register: [] for register in failed}
    for block in code.blocks:
        for instruction in block.code:
            for register in instruction.writes:
                if register in chosen:
                    definitions[register].append(instruction)
    again = {r: d[0] for r, d in definitions.items() if len(d) == 1 and d[0].rematerialises()}
    places: dict[int, int] = {}
    for register in failed:
        if register not in again:
            places[register] = FIRST_SPILL + spills
            spills += 1
    for block in code.blocks:
        block.code = _rewrite(code, block.code, chosen, again, places, temporaries)
    return spills


def _rewrite(code: MachineFunction, old: list[Machine], chosen: set[int], again: dict[int, Machine],
             places: dict[int, int], temporaries: set[int]) -> list[Machine]:  # fmt: skip
    out: list[Machine] = []
    for instruction in old:
        touched = {r for r in (*instruction.reads, *instruction.writes) if r in chosen}
        if not touched:
            out.append(instruction)
            continue
        if any(again.get(r) is instruction for r in touched):
            continue
        after: list[Machine] = []
        for register in touched:
            fresh = code.registers
            code.registers += 1
            temporaries.add(fresh)
            if register in instruction.reads:
                out.append(_reload(register, fresh, again, places, instruction))
                # Stored again, the register is tied to its place: what is loaded next has the bound too.
                if register in places and instruction.code in _BOUNDING:
                    out.append(_slot_access(False, places[register], fresh, instruction))
            if register in instruction.writes:
                after.append(_slot_access(False, places[register], fresh, instruction))
            _rename(instruction, register, fresh)
        out.append(instruction)
        out += after
    return out


def _reload(register: int, fresh: int, again: dict[int, Machine], places: dict[int, int], at: Machine) -> Machine:
    if register not in again:
        return _slot_access(True, places[register], fresh, at)
    model = again[register]
    copy = Machine(model.kind, model.code, fresh, model.src, model.off, model.imm, model.ref, (), (fresh,), 0,
                   model.target, model.slot)  # fmt: skip
    copy.span = at.span
    return copy


def _slot_access(load: bool, place: int, register: int, at: Machine) -> Machine:
    if load:
        access = Machine(PLAIN, LOAD[8], register, FRAME, 0, reads=(FRAME,), writes=(register,), slot=place)
    else:
        access = Machine(PLAIN, STORE[8], FRAME, register, 0, reads=(FRAME, register), slot=place)
    access.span = at.span
    return access


def _rename(instruction: Machine, old: int, new: int) -> None:
    if instruction.dst == old:
        instruction.dst = new
    if instruction.src == old:
        instruction.src = new
    instruction.reads = tuple(new if r == old else r for r in instruction.reads)
    instruction.writes = tuple(new if r == old else r for r in instruction.writes)
