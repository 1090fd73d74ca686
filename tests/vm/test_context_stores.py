"""Programs of each hook may store into the fields of their context that the hook's row names, in the VM too."""

from __future__ import annotations

from typing import Any

import pytest

from py2bpf import vm
from py2bpf.prog import create_prog
from py2bpf.tc import SkBuffContext
from py2bpf.uapi.hooks import HOOKS, Hook, Setup

STORES = [
    (hook, field) for hook in HOOKS if hook.setup is Setup.SKB and hook.packet is not None
    for field in hook.packet.fields if field not in ("cb", "tstamp")
]  # fmt: skip


@pytest.mark.parametrize(("hook", "field"), STORES, ids=lambda value: getattr(value, "name", value))
def test_a_field_is_stored(hook: Hook, field: str) -> None:
    def program(skb: Any) -> int:
        setattr(skb, field, 3)
        return int(getattr(skb, field) == 3)

    with vm.backend(), create_prog(hook.prog_type, SkBuffContext, program) as prog:
        assert prog.test_run(bytes(64)).retval == 1


@pytest.mark.parametrize("hook", [each for each in HOOKS if each.packet and "cb" in each.packet.fields],
                         ids=lambda hook: hook.name)  # fmt: skip
def test_the_control_block_is_stored(hook: Hook) -> None:
    def program(skb: Any) -> int:
        skb.cb[4] = 3
        return int(skb.cb[4] == 3)

    with vm.backend(), create_prog(hook.prog_type, SkBuffContext, program) as prog:
        assert prog.test_run(bytes(64)).retval == 1
