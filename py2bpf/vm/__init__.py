"""The embedded VM: maps, queues and programs without the kernel, and so without privileges.

    with py2bpf.vm.backend():
        counts = py2bpf.datastructures.create_map(c_uint32, c_uint64, 16)
        sf = py2bpf.socket_filter.SocketFilter(count)
        sf.prog.test_run(packet)

Objects that are made inside the block live in the VM; classes and calls are the same as for the kernel. The environment
variable PY2BPF_BACKEND=vm selects the VM for a whole process. Nothing can be attached: ``test_run`` runs programs.
"""

from __future__ import annotations

from ..backend import current_name as current
from .choice import Backend, backend
from .machine import set_cpu

__all__ = ["Backend", "backend", "current", "set_cpu"]
