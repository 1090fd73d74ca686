"""Program arrays of installed filters: they go on when their process ends, and go when the filters do."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tc_programs import dispatch

from py2bpf import funcs, tc
from py2bpf.datastructures import ProgArray
from py2bpf.kernel import kept, syscalls
from py2bpf.kernel.kernel_program import LoadedProgram
from py2bpf.kernel.netdev import namespace
from py2bpf.util import ensure_resources

pytestmark = pytest.mark.kernel

INSTALLING = """
import sys
sys.path.insert(0, {folder!r})
import tc_programs
from py2bpf import tc
step = tc.IngressProgram(tc_programs.drop_bad)
program = tc.IngressProgram(tc_programs.dispatch)
tc_programs.steps[1] = step.prog
program.install({device!r}, mechanism={mechanism!r})
"""
NESTED = """
import sys
sys.path.insert(0, {folder!r})
import tc_programs
from py2bpf import tc
last, middle = tc.IngressProgram(tc_programs.drop_bad), tc.IngressProgram(tc_programs.middle)
program = tc.IngressProgram(tc_programs.dispatch)
if {first}:
    program.install({device!r}, mechanism={mechanism!r})
tc_programs.steps[1] = middle.prog
tc_programs.further[0] = last.prog
if not {first}:
    program.install({device!r}, mechanism={mechanism!r})
"""


@pytest.mark.parametrize("first", [False, True], ids=["filled before", "filled while installed"])
def test_tail_calls_of_tail_calls_go_on_when_the_process_ends(wire, traffic, mechanism, first):
    """The second array is one that the installed program does not name itself."""
    go_on_when_the_process_ends(wire, traffic, NESTED, 2, mechanism=mechanism, first=first)


def test_tail_calls_of_tail_calls_while_the_other_objects_are_closed():
    first, second = ProgArray(1), ProgArray(1)

    def jump(skb):
        funcs.tail_call(skb, first, 0)
        return 7

    def jump_again(skb):
        funcs.tail_call(skb, second, 0)
        return 8

    with tc.IngressProgram(jump) as program:
        with tc.IngressProgram(lambda skb: 9) as last, tc.IngressProgram(jump_again) as step:
            first[0], second[0] = step.prog, last.prog
        first.close()
        second.close()
        assert program.prog.test_run(bytes(64)).retval == 9


def test_an_array_holds_no_more_than_there_is_room_for():
    """Descriptors of programs that are no longer in the array are closed when others come."""
    with ProgArray(2) as array:
        before = len(os.listdir("/proc/self/fd"))
        for number in range(6):
            with ProgArray(1) as own:
                def jump(skb, own=own):
                    funcs.tail_call(skb, own, 0)
                    return 7

                with tc.IngressProgram(jump) as program:
                    array[number & 1] = program.prog
        assert len(os.listdir("/proc/self/fd")) <= before + 3


def test_a_pinned_program_has_its_arrays():
    """In a process that opens the pin when the one that made it is gone."""
    path = Path("/sys/fs/bpf") / f"py2bpf_test_{os.getpid()}"
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import tc_programs\nfrom py2bpf import tc\n"
        "step = tc.IngressProgram(lambda skb: 9); program = tc.IngressProgram(tc_programs.dispatch)\n"
        f"tc_programs.steps[1] = step.prog\nprogram.prog.pin({str(path)!r})\n"
    )
    ensure_resources()
    try:
        subprocess.run([sys.executable, "-c", code], check=True)
        assert sorted(each.name for each in path.parent.glob(f"{path.name}*")) == [path.name, f"{path.name}_array0"]
        with syscalls.obj_get(path) as handle:
            ran = syscalls.prog_test_run(handle, bytes(64), b"", 0, 64 + 512)
            assert ran.retval == 9
    finally:
        LoadedProgram.unpin(path)
    assert not list(path.parent.glob(f"{path.name}*"))


def pins(wire):
    """Those of programs that are there, on the devices of these namespaces: other processes have pins of their own."""
    kept.sweep()
    return names(wire)


def names(wire):
    own = []
    for node in wire:
        with node.inside():
            own.append(f"{namespace():x}-")
    return sorted(each.name for each in kept.FOLDER.glob("*") if each.name.startswith(tuple(own)))


def test_tail_calls_go_on_when_the_process_ends(wire, traffic, mechanism):
    """Or everything would pass."""
    go_on_when_the_process_ends(wire, traffic, INSTALLING, 1, mechanism=mechanism)


def go_on_when_the_process_ends(wire, traffic, code, arrays, **options):
    """Runs the code, which installs; afterwards so many arrays are pinned, until the program is taken off."""
    _left, right = wire
    with right.inside():
        code = code.format(folder=str(Path(__file__).parent), device=right.device, **options)
        subprocess.run([sys.executable, "-c", code], check=True)
        assert traffic.is_dropped(b"bad") and traffic.passes(b"good")
        assert len(pins(wire)) == arrays
        assert tc.clear_ingress_filter(right.device) == 1
    assert pins(wire) == [] and traffic.passes(b"bad")


MAKE = ("ip", "link", "add", "p2bx", "index", "7701", "type", "veth", "peer", "p2by")


def test_pins_of_a_device_that_is_gone_go_too(wire):
    """With the next program that is installed, wherever that is."""
    _left, right = wire
    with right.inside(), tc.IngressProgram(dispatch) as second:
        with tc.IngressProgram(dispatch) as first:
            right.shell(*MAKE)
            first.install("p2bx")
            assert len(pins(wire)) == 1
            right.shell("ip", "link", "del", "p2bx")
            assert first.devices == []
        del first
        for _ in range(100):
            second.install(right.device)
            found = names(wire)
            assert second.remove()
            if len(found) == 1:
                break
            time.sleep(0.1)  # the kernel gives up the first program a little later
        assert names(wire) == []


def test_pins_of_a_device_that_moves_stay(wire):
    """It takes its programs along, and its number is free for another."""
    left, right = wire
    with tc.IngressProgram(dispatch) as first, tc.IngressProgram(dispatch) as second:
        with right.inside():
            right.shell(*MAKE)
            first.install("p2bx")
            right.shell("ip", "link", "set", "p2bx", "netns", left.name)
            right.shell(*MAKE[:-1], "p2bz")
            second.install("p2bx")
            assert len(pins(wire)) == 2
            assert second.remove() and len(pins(wire)) == 1
        with left.inside():
            assert first.remove("p2bx")
    for name in pins(wire):
        (kept.FOLDER / name).unlink()


def test_an_array_lives_as_long_as_a_program_that_uses_it():
    array = ProgArray(2)

    def jump(skb):
        funcs.tail_call(skb, array, 0)
        return 7

    with tc.IngressProgram(lambda skb: 9) as step, tc.IngressProgram(jump) as program:
        array[0] = step.prog
        array.close()
        assert program.prog.test_run(bytes(64)).retval == 9
