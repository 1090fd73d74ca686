"""The names of the kernel functions for system calls, and where these functions find their arguments.

Since Linux 4.17 an architecture may give each system call a wrapper ``__<arch>_sys_<name>`` whose one
argument points at the caller's registers (arch/*/include/asm/syscall_wrapper.h). Without wrappers the functions
are ``sys_<name>``, before 4.17 also ``SyS_<name>``, with the arguments in the C calling convention's registers.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class SyscallAbi(NamedTuple):
    """An architecture's system call wrappers.

    ``wrapper`` is the wrappers' prefix, ``pointer`` the register that holds their argument, ``args`` the user
    registers with the call's own arguments.
    """

    wrapper: str
    pointer: str
    args: tuple[str, ...]


SYSCALL_ABI: Final[dict[str, SyscallAbi]] = {
    "x86_64": SyscallAbi("__x64_sys_", "rdi", ("rdi", "rsi", "rdx", "r10", "r8", "r9")),
    "aarch64": SyscallAbi("__arm64_sys_", "x0", ("x0", "x1", "x2", "x3", "x4", "x5")),
}
"""The wrappers by machine, as named by uname(2)."""

PLAIN_PREFIXES: Final = ("sys_", "SyS_")
"""The prefixes of system calls' functions on kernels without wrappers. Users write the first one."""


def candidates(name: str, machine: str) -> tuple[str, ...]:
    """The symbols that ``sys_<call>`` may mean, beginning with itself. Any other name means only itself.

    A system call with any known prefix works on every kernel: ``__x64_sys_close`` and ``SyS_close`` too.
    """
    abi = SYSCALL_ABI.get(machine)
    here = (*PLAIN_PREFIXES, *([abi.wrapper] if abi else []))
    for prefix in (*PLAIN_PREFIXES, *(other.wrapper for other in SYSCALL_ABI.values())):
        if name.startswith(prefix) and name != prefix:
            call = name.removeprefix(prefix)
            return tuple(dict.fromkeys([name, *(spelling + call for spelling in here)]))
    return (name,)


def is_wrapper(symbol: str, machine: str) -> bool:
    """Whether the symbol is a wrapper, whose argument points to the registers with the call's arguments."""
    abi = SYSCALL_ABI.get(machine)
    return abi is not None and symbol.startswith(abi.wrapper)
