"""Reports every clock_nanosleep(2) through a perf event array: which task sleeps, and since when (ns since boot)."""

from ctypes import Structure, c_char, c_uint32, c_uint64

from programs import Case
from py2bpf import funcs, tracepoint
from py2bpf.datastructures import BpfQueue


class Sleep(Structure):
    _fields_ = (("pid", c_uint32), ("comm", c_char * 16), ("time", c_uint64))


def make() -> Case:
    events = BpfQueue(Sleep, num_pages=1024)

    @tracepoint.probe("syscalls:sys_enter_clock_nanosleep")
    def tp_nanosleep(ctx):
        sleep = Sleep()
        sleep.pid = funcs.get_current_pid_tgid() >> 32
        sleep.time = funcs.ktime_get_ns()
        funcs.get_current_comm(sleep.comm)
        events.output(ctx, sleep)
        return 0

    return Case("tp_nanosleep", tp_nanosleep(), queue=events)
