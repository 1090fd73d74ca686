"""Program types, contexts and constants against the running kernel's BTF."""

import ctypes

import pytest

from py2bpf.btf import Btf
from py2bpf.btf.types import Array
from py2bpf.exception import NotSupported
from py2bpf.uapi import contexts, syscalls, tc, xdp
from py2bpf.uapi.hooks import SPECS
from py2bpf.uapi.prog_types import AttachType, LinkType, ProgType

# Members that user space names differently.
X86_NAMES = {
    **{f"r{name}": name for name in ("bp", "bx", "ax", "cx", "dx", "si", "di", "sp")},
    "orig_rax": "orig_ax",
    "rip": "ip",
    "eflags": "flags",
}


def same_layout(struct, name, names=None):
    kernel, btf = Btf.kernel().layout(name), Btf.kernel()
    for field, _ctype in struct._fields_:
        member, descriptor = kernel[(names or {}).get(field, field)], getattr(struct, field)
        assert (descriptor.offset * 8, descriptor.size) == (member.bit_offset, btf.size(member.type)), field


def test_prog_types_are_the_kernels():
    kernel = {
        name.removeprefix("BPF_PROG_TYPE_"): value
        for name, value in Btf.kernel().enum("bpf_prog_type").items()
        if not name.startswith("__")
    }
    assert {kind.name: kind.value for kind in ProgType} == kernel


def test_attach_types_are_the_kernels():
    kernel = {
        name.removeprefix("BPF_"): value
        for name, value in Btf.kernel().enum("bpf_attach_type").items()
        if not name.startswith("__")
    }
    assert {kind.name: kind.value for kind in AttachType} == kernel


def test_kinds_of_links_are_the_kernels():
    kernel = {
        name.removeprefix("BPF_LINK_TYPE_"): value
        for name, value in Btf.kernel().enum("bpf_link_type").items()
        if not name.startswith("__")
    }
    assert {kind.name: kind.value for kind in LinkType} == kernel


@pytest.mark.parametrize("action", xdp.XdpAction)
def test_xdp_action(action):
    assert Btf.kernel().enum("xdp_action")[f"XDP_{action.name}"] == action


def test_constants_agree_with_the_enums():
    assert {f"TC_ACT_{a.name}": int(a) for a in tc.TcAction} == {
        name: value for name, value in vars(tc).items() if name.startswith("TC_ACT_")
    }
    assert {f"XDP_{a.name}": int(a) for a in xdp.XdpAction} == {
        name: value for name, value in vars(xdp).items() if name.startswith("XDP_")
    }


def test_sk_buff_is_laid_out_as_the_kernels():
    same_layout(contexts.SkBuff, "__sk_buff")
    names = set(Btf.kernel().layout("__sk_buff"))
    assert {name for name, _ in contexts.SkBuff._fields_} >= names - {""}
    assert ctypes.sizeof(contexts.SkBuff) == Btf.kernel().struct("__sk_buff").size


def test_xdp_md_is_laid_out_as_the_kernels():
    same_layout(contexts.XdpMd, "xdp_md")
    assert ctypes.sizeof(contexts.XdpMd) == Btf.kernel().struct("xdp_md").size


def test_x86_registers_are_laid_out_as_the_kernels():
    kernel = Btf.kernel().layout("pt_regs")
    if "r15" not in kernel:
        pytest.skip("this kernel isn't x86-64's")
    for field in contexts._X86_REGISTERS:
        assert getattr(contexts.PtRegsX86, field).offset * 8 == kernel[X86_NAMES.get(field, field)].bit_offset, field
    assert ctypes.sizeof(contexts.PtRegsX86) == Btf.kernel().struct("pt_regs").size


def test_each_architecture_has_registers_and_system_calls():
    assert contexts._ABI.keys() == syscalls.SYSCALL_ABI.keys()


@pytest.mark.parametrize("machine", contexts._ABI)
def test_results_have_a_sign(machine):
    struct, name = contexts._ABI[machine].struct, contexts._ABI[machine].ret
    registers = struct(**{name: (1 << 64) - 2})
    assert getattr(registers, f"{name}_i64") == getattr(registers, f"{name}_i32") == -2
    assert getattr(struct, f"{name}_i64").offset == getattr(struct, name).offset


def test_arm_registers():
    assert ctypes.sizeof(contexts.PtRegsArm64) == 34 * 8
    assert contexts.PtRegsArm64.x30.offset == 240
    assert contexts.PtRegsArm64.pc.offset == 256


def test_perf_event_data_is_laid_out_as_the_kernels():
    spec = contexts.perf_event_data()
    same_layout(spec.struct, "bpf_perf_event_data")
    assert ctypes.sizeof(spec.struct) == Btf.kernel().struct("bpf_perf_event_data").size


def test_raw_tracepoint_arguments_are_u64():
    member = Btf.kernel().layout("bpf_raw_tracepoint_args")["args"]
    array = Btf.kernel().type(Btf.kernel().resolve(member.type))
    assert isinstance(array, Array)
    assert Btf.kernel().size(array.element) == contexts.RawTracepointArgs.args.size // 12 == 8


@pytest.mark.parametrize("machine", contexts._ABI)
@pytest.mark.parametrize("make", [contexts.pt_regs, contexts.syscall_regs, contexts.perf_event_data])
def test_every_name_leads_to_a_member(machine, make):
    spec = make(machine)
    for value in spec.fields.values():
        for field in value if isinstance(value, tuple) else (value,):
            owner, _, member = field.path.rpartition(".")
            assert hasattr(dict(spec.struct._fields_)[owner] if owner else spec.struct, member)
            assert field.through_pointer is None or hasattr(spec.struct, field.through_pointer)


def test_entry_has_no_result_and_exit_no_arguments():
    assert set(contexts.pt_regs("x86_64", exit=False).fields) == {"args", "ip", "sp"}
    assert set(contexts.pt_regs("x86_64", entry=False).fields) == {"ret", "ret32", "ip", "sp"}


def test_syscall_arguments_are_the_calls_own():
    fields = contexts.syscall_regs("x86_64").fields
    assert [field.path for field in fields["args"]] == ["rdi", "rsi", "rdx", "r10", "r8", "r9"]
    assert fields["rcx"] == fields["r10"] == fields["args"][3]
    assert all(field.through_pointer == "rdi" for field in fields["args"])


def test_unknown_machine_is_named():
    with pytest.raises(NotSupported, match=r"registers of vax.*x86_64"):
        contexts.pt_regs("vax")


@pytest.mark.parametrize(
    ("name", "machine", "symbols"),
    [
        ("sys_close", "x86_64", ("sys_close", "SyS_close", "__x64_sys_close")),
        ("sys_close", "aarch64", ("sys_close", "SyS_close", "__arm64_sys_close")),
        ("__x64_sys_close", "aarch64", ("__x64_sys_close", "sys_close", "SyS_close", "__arm64_sys_close")),
        ("sys_close", "vax", ("sys_close", "SyS_close")),
        ("do_exit", "x86_64", ("do_exit",)),
        ("sys_", "x86_64", ("sys_",)),
    ],
)
def test_syscall_symbols(name, machine, symbols):
    assert syscalls.candidates(name, machine) == symbols


def test_the_wrapper_is_told_by_its_symbol():
    assert syscalls.is_wrapper("__x64_sys_close", "x86_64")
    assert not syscalls.is_wrapper("__x64_sys_close", "aarch64")
    assert not syscalls.is_wrapper("sys_close", "x86_64")


def test_this_kernel_has_the_wrappers_the_table_names():
    prefix = syscalls.SYSCALL_ABI["x86_64"].wrapper
    if "r15" not in Btf.kernel().layout("pt_regs"):
        pytest.skip("this kernel isn't x86-64's")
    (param,) = Btf.kernel().func(prefix + "close").params
    assert "regs" in param.name or param.name == "__unused"


def test_hooks_answer_as_their_programs_must():
    """XDP_PASS, for one: a hook whose results were 0 by mistake would drop everything."""
    known = {
        ProgType.SOCKET_FILTER: (0, 0x7FFFFFFF),
        ProgType.XDP: (2, 2),
        ProgType.CGROUP_SKB: (1, 1),
    }
    assert known.items() <= {hook: (spec.default, spec.fallback) for hook, spec in SPECS.items()}.items()
    assert all(spec.prog_type == hook for hook, spec in SPECS.items())
