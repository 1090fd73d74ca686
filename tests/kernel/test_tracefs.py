"""Formats of events as the kernel writes them, and the contexts made from them."""

import ctypes
import os
import re

import pytest

from py2bpf import tracepoint
from py2bpf.exception import DataRangeError, DataTypeError, KernelError
from py2bpf.kernel import mounts
from py2bpf.kernel import tracefs as tfs
from py2bpf.spec import Located

COMMON = """\
	field:unsigned short common_type;	offset:0;	size:2;	signed:0;
	field:unsigned char common_flags;	offset:2;	size:1;	signed:0;
	field:unsigned char common_preempt_count;	offset:3;	size:1;	signed:0;
	field:int common_pid;	offset:4;	size:4;	signed:1;

"""


def made(*fields):
    body = "".join(f"\tfield:{declaration};\toffset:{o};\tsize:{s};\tsigned:{g};\n" for declaration, o, s, g in fields)
    return tfs.parse_format(f'name: e\nID: 42\nformat:\n{COMMON}{body}\nprint fmt: "offset:%d", REC->x\n')


def members(form):
    struct = tracepoint.context(form, "e").struct
    return {name: (getattr(struct, name).offset, kind) for name, kind in struct._fields_ if not name.startswith("_gap")}


@pytest.mark.parametrize(
    ("declaration", "size", "signed", "kind"),
    [
        ("int x", 4, 1, ctypes.c_int32),
        ("unsigned int x", 4, 0, ctypes.c_uint32),
        ("unsigned char x", 1, 0, ctypes.c_uint8),
        ("bool x", 1, 0, ctypes.c_uint8),
        ("short x", 2, 1, ctypes.c_int16),
        ("long x", 8, 1, ctypes.c_int64),
        ("size_t x", 8, 0, ctypes.c_uint64),
        ("const char * x", 8, 0, ctypes.c_uint64),
        ("struct page *x", 8, 0, ctypes.c_uint64),
        ("const char *const *x", 8, 0, ctypes.c_uint64),
        ("char x[16]", 16, 0, ctypes.c_char * 16),
        ("const char x[8]", 8, 1, ctypes.c_char * 8),
        ("char x[TASK_COMM_LEN]", 16, 0, ctypes.c_char * 16),
        ("__u8 x[4]", 4, 0, ctypes.c_uint8 * 4),
        ("u32 x[3]", 12, 0, ctypes.c_uint32 * 3),
        ("unsigned long x[6]", 48, 0, ctypes.c_uint64 * 6),
        ("struct in6_addr x", 16, 0, ctypes.c_uint8 * 16),
        ("enum hrtimer_mode x", 4, 0, ctypes.c_uint32),
        # A system call's argument: 8 bytes, of which its type counts.
        ("int x", 8, 0, ctypes.c_int32),
        ("unsigned int x", 8, 0, ctypes.c_uint32),
        ("umode_t x", 8, 0, ctypes.c_uint16),
        ("pid_t x", 8, 0, ctypes.c_int32),
        ("unsigned long x", 8, 0, ctypes.c_uint64),
        ("loff_t x", 8, 0, ctypes.c_int64),
        ("off_t x", 8, 0, ctypes.c_int64),
        ("long x", 8, 0, ctypes.c_int64),
        ("key_serial_t x", 8, 0, ctypes.c_int32),
        ("cap_user_header_t x", 8, 0, ctypes.c_uint64),
        ("unknown_t x", 8, 0, ctypes.c_uint64),
        ("unknown_t x", 8, 1, ctypes.c_int64),
        ("unknown_t x[3]", 12, 1, ctypes.c_int32 * 3),
    ],
)
def test_types(declaration, size, signed, kind):
    form = made((declaration, 8, size, signed))
    assert form.id == 42
    (field,) = form.fields
    assert (field.name, field.offset, field.size) == ("x", 8, size)
    assert members(form) == {"x": (8, kind)}


def test_gaps_and_order():
    form = made(("int b", 24, 4, 1), ("char a[4]", 9, 4, 0), ("u64 c", 32, 8, 0))
    assert {name: offset for name, (offset, _) in members(form).items()} == {"a": 9, "b": 24, "c": 32}


def test_fields_that_c_would_not_align():
    form = made(("u8 a", 8, 1, 0), ("u64 b", 12, 8, 0))
    assert members(form) == {"a": (8, ctypes.c_uint8), "b": (12, ctypes.c_uint64)}


@pytest.mark.parametrize(
    ("declaration", "sizes", "ctype", "begin"),
    [
        ("__data_loc char[] x", {}, ctypes.c_char * 64, 0),
        ("__data_loc char[] x", {"x": 200}, ctypes.c_char * 200, 0),
        ("__rel_loc char[] x", {"x": 1}, ctypes.c_char * 1, 12),
        ("__rel_loc u8[] x", {}, ctypes.c_uint8 * 64, 12),
        ("__data_loc u64[] x", {}, ctypes.c_uint64 * 8, 0),
        ("__data_loc int[] x", {"x": 3}, ctypes.c_int32 * 3, 0),
        ("__data_loc struct y[] x", {"x": 3}, ctypes.c_uint8 * 3, 0),
        ("__data_loc cpumask_t x", {}, ctypes.c_uint8 * 64, 0),
    ],
)
def test_texts_and_arrays_of_variable_length(declaration, sizes, ctype, begin):
    form = made((declaration, 8, 4, 0))
    spec = tracepoint.context(form, "e", sizes)
    location = declaration.partition(" ")[0] + "_x"
    assert spec.fields == {"x": Located(location, ctype, begin)}
    assert dict(spec.struct._fields_)[location] is ctypes.c_uint32 and getattr(spec.struct, location).offset == 8


@pytest.mark.parametrize(
    ("sizes", "kind", "message"),
    [
        ({"y": 8}, DataTypeError, "names 'y', which is no text or array of variable length: those of e are x, z"),
        ({"n": 8}, DataTypeError, "names 'n'"),
        ({"x": "8"}, DataTypeError, "is a number of items, an int, not '8'"),
        ({"x": True}, DataTypeError, "an int, not True"),
        ({"x": 0}, DataRangeError, "takes 1 to 512 of its items"),
        ({"z": 129}, DataRangeError, "takes 1 to 128 of its items"),
    ],
)
def test_sizes_that_are_none(sizes, kind, message):
    form = made(("__data_loc char[] x", 8, 4, 0), ("int n", 12, 4, 1), ("__data_loc u32[] z", 16, 4, 0))
    with pytest.raises(kind, match=message):
        tracepoint.context(form, "e", sizes)
    with pytest.raises(DataTypeError, match="e has none"):
        tracepoint.context(made(("int n", 12, 4, 1)), "e", {"n": 1})
    with pytest.raises(DataTypeError, match=r"\{'filename': 128\}, not 5"):
        tracepoint.probe("a:b", sizes=5)


@pytest.mark.parametrize(
    "text", ["name: e\nformat:\n", f"ID: 1\nformat:\n{COMMON}\tfield:int x;\toffset:q;\tsize:4;\n"]
)
def test_nonsense_is_refused(text):
    with pytest.raises(KernelError, match="the format has"):
        tfs.parse_format(text)


@pytest.mark.kernel
def test_every_event_of_this_kernel(tracefs):
    """Each field of each event is where the kernel has it, and only system calls' arguments get narrower."""
    formats = list(tracefs.glob("events/*/*/format"))
    assert len(formats) > 500
    for file in formats:
        form = tfs.parse_format(file.read_text())
        struct = tracepoint.context(form, file.parent.name).struct
        declared = len(re.findall(r"^\tfield:(?!.* common_)", file.read_text(), re.M))
        assert len(form.fields) == declared, file
        for field in form.fields:
            member = getattr(struct, field.location if field.data_loc else field.name)
            assert member.offset == field.offset, (file, field)
            assert member.size == field.size or (field.size == 8 and file.parts[-3] == "syscalls"), (file, field)


@pytest.mark.kernel
@pytest.mark.parametrize(
    ("call", "names"),
    [
        ("lseek", {"offset"}), ("fallocate", {"offset", "len"}), ("pread64", {"pos"}), ("ftruncate", {"length"}),
        ("msgrcv", {"msgtyp"}), ("io_submit", {"nr"}), ("sync_file_range", {"offset", "nbytes"}), ("mmap", set()),
    ],
)  # fmt: skip
def test_arguments_of_64_bits_that_have_signs(tracefs, call, names):
    form = tfs.event_format("syscalls", f"sys_enter_{call}")
    fields = tracepoint.context(form, call).struct._fields_
    assert {name for name, ctype in fields if ctype is ctypes.c_int64} == names


@pytest.mark.kernel
@pytest.mark.parametrize(
    ("event", "hint"),
    [
        ("syscalls:sys_enter_opnat", "the nearest are syscalls:sys_enter_openat"),
        ("net:sched_switch", "the nearest are sched:sched_switch"),
        ("sched:zzzzzzzzzzzz", "the nearest are sched:sched_"),
        ("q:q", "lists those there are"),
    ],
)
def test_unknown_events(tracefs, event, hint):
    with pytest.raises(KernelError, match=f"this kernel has no event {event}; .*{hint}"):
        tfs.event_format(*event.split(":"))


def test_a_missing_mount_is_explained(monkeypatch, tmp_path):
    told = tmp_path / "mounts"
    told.write_text("proc /proc proc rw 0 0\n")
    monkeypatch.setattr(tfs, "MOUNT_POINTS", (tmp_path / "tracing",))
    monkeypatch.setattr(mounts, "_MOUNTS", told)
    with pytest.raises(KernelError, match=r"not mounted: .*mount -t tracefs.*ensure_resources"):
        tfs.root()


def test_any_mount_point_is_found(monkeypatch, tmp_path):
    told = tmp_path / "mounts"
    told.write_bytes(b"proc /\xff\\011 proc rw 0 0\nnodev /my\\040place\xe4 tracefs rw 0 0\n")
    monkeypatch.setattr(tfs, "MOUNT_POINTS", (tmp_path / "tracing",))
    monkeypatch.setattr(mounts, "_MOUNTS", told)
    assert os.fsencode(tfs.root()) == b"/my place\xe4"
