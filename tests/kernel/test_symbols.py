"""Why a function can't be probed, and the names that come near."""

import pytest

from py2bpf.kernel.symbols import Symbols, common_name, read_kallsyms

KALLSYMS = """\
ffffffff81000000 T do_exit
ffffffff81000010 t vfs_read
ffffffff81000020 T __pfx_vfs_read
ffffffff81000030 D jiffies
ffffffff81000040 W weak_function
ffffffffc0000000 t nf_hook_slow\t[nf_tables]
"""

SYMBOLS = Symbols(
    functions=frozenset(
        {
            *("do_exit", "vfs_read", "vfs_readv", "vfs_write", "__x64_sys_close", "__x64_sys_clone", "__pfx_vfs_read"),
            *("tcp_probe.isra.0", "tcp_probe.isra.0.cold", "tcp_probe_timer", "notify_die", "vfs_rea.cold"),
        }
    ),
    blacklist=frozenset({"notify_die"}),
    compiled=frozenset({"vfs_read", "tiny_inline"}).__contains__,
    shared=frozenset({"vfs_write"}),
    modules=(("nf_conntrack_in", "nf_conntrack"),),
)


def test_kallsyms_gives_functions_only():
    names = ["do_exit", "vfs_read", "__pfx_vfs_read", "weak_function", "nf_hook_slow"]
    assert list(read_kallsyms(KALLSYMS.splitlines())) == names


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("notify_die", "notify_die is on the kernel's kprobe blacklist: probing it could crash the kernel"),
        ("vfs_write", "several functions are called vfs_write, and the kernel does not choose between them"),
        ("do_exit", "do_exit is there, but the kernel refuses to probe it"),
        (
            "tcp_probe",
            "the compiler kept of tcp_probe only tcp_probe.isra.0, tcp_probe.isra.0.cold: probe those, or a caller",
        ),
        ("tiny_inline", "tiny_inline is inlined: it has no address of its own; probe one of its callers"),
        (
            "nf_conntrack_in",
            "nf_conntrack_in is in the module nf_conntrack, which is not loaded: `modprobe nf_conntrack`",
        ),
        ("qqqqqqqqq", "this kernel has no function qqqqqqqqq, unless inlined into others"),
    ],
)
def test_reason(name, reason):
    assert SYMBOLS.explain(name) == reason


def test_an_offset_is_named():
    assert SYMBOLS.explain("do_exit", 3) == (
        "do_exit is there, but 0x3 bytes from its begin is no instruction that can be probed"
    )


def test_nearest_names():
    assert SYMBOLS.nearest("vfs_raed")[:2] == ["vfs_read", "vfs_readv"]
    assert "the nearest are vfs_read" in SYMBOLS.explain("vfs_raed")


def test_system_calls_go_by_their_common_name():
    assert SYMBOLS.nearest("sys_clos")[0] == "sys_close"


def test_padding_is_no_function():
    assert "__pfx_vfs_read" not in SYMBOLS.nearest("__pfx_vfs_rea")


def test_common_name():
    assert common_name("__x64_sys_close") == common_name("__arm64_sys_close") == "sys_close"
    assert common_name("do_exit") == "do_exit"


@pytest.mark.kernel
def test_the_running_kernel():
    symbols = Symbols.of_kernel()
    assert {"do_exit", "vfs_read"} <= symbols.functions
    assert symbols.compiled("do_exit") and not symbols.compiled("no_such_function")
    assert "vfs_read" in symbols.nearest("vfs_raed")
