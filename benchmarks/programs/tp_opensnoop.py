"""Reports every openat(2) through a ring buffer: the task, the file, the time (ns since boot) and the flags."""

from ctypes import Structure, c_char, c_int32, c_uint32, c_uint64

from programs import Case
from py2bpf import funcs, tracepoint
from py2bpf.datastructures import RingBuffer


class Opening(Structure):
    _fields_ = (
        ("time", c_uint64),
        ("pid", c_uint32),
        ("uid", c_uint32),
        ("flags", c_int32),
        ("length", c_int32),
        ("comm", c_char * 16),
        ("name", c_char * 128),
    )


def make() -> Case:
    events = RingBuffer(Opening, 16 << 20)

    @tracepoint.probe("syscalls:sys_enter_openat")
    def tp_opensnoop(ctx):
        opening = events.reserve()
        if opening is None:
            return 0
        opening.time = funcs.ktime_get_ns()
        opening.pid = funcs.get_current_pid_tgid() >> 32
        opening.uid = funcs.get_current_uid_gid()
        opening.flags = ctx.flags
        funcs.get_current_comm(opening.comm)
        opening.length = funcs.probe_read_user_str(opening.name, ctx.filename)
        events.submit(opening)
        return 0

    return Case("tp_opensnoop", tp_opensnoop(), queue=events)
