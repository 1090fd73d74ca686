"""Feature probes: three outcomes, remembered answers, and the running kernel's features."""

from __future__ import annotations

import dataclasses
import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from py2bpf.exception import KernelError, NotSupported
from py2bpf.kernel import bpf_call, features, kfuncs, prog_load, syscalls
from py2bpf.kernel.features import PROBES, Feature, Finding, Outcome, Probe
from py2bpf.spec import Target
from py2bpf.uapi.hooks import HOOKS
from py2bpf.uapi.map_types import KINDS, MapType
from py2bpf.uapi.prog_types import ProgType

kernel = pytest.mark.kernel

LPM_TRIES, XDP_PROGRAMS = features.of_map(MapType.LPM_TRIE), features.of_program(ProgType.XDP)

EVERYWHERE = [
    feature
    for feature in PROBES
    if feature.startswith(("map.", "prog.")) or feature == Feature.HELPER_PROBE_READ_KERNEL
    if feature != features.of_map(MapType.USER_RINGBUF)
]
"""What every kernel since 5.10 has that was built for BPF at all."""


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    features._cache.clear()
    yield
    features._cache.clear()


def test_every_feature_has_a_probe() -> None:
    rows = {features.of_map(kind) for kind in KINDS} | {features.of_program(hook.prog_type) for hook in HOOKS}
    assert set(PROBES) == set(Feature) | rows
    assert all(row.title and re.fullmatch(r"\d+\.\d+", row.since) for row in PROBES.values())


def test_no_version_is_compared() -> None:
    source = Path(features.__file__).read_text()
    assert "uname" not in source
    assert "platform" not in source
    assert len(re.findall(r"\.since\b", source)) == 3  # passed on from the rows of maps and hooks, and the message


@kernel
@pytest.mark.any_kernel
@pytest.mark.parametrize("feature", EVERYWHERE)
def test_the_kernel_has_what_all_have(feature: str) -> None:
    assert features.probe(feature) == Finding(Outcome.YES)
    features.require(feature)


@kernel
@pytest.mark.any_kernel
@pytest.mark.parametrize("feature", PROBES)
def test_root_can_tell(feature: str) -> None:
    found = features.probe(feature)
    assert found.outcome is not Outcome.UNKNOWN, found.why
    assert bool(found) is (found.outcome is Outcome.YES)
    assert bool(found.why) is not bool(found)


@kernel
@pytest.mark.skipif(os.environ.get("PY2BPF_GUEST") == "1", reason="older kernels lack some of these")
def test_this_kernel() -> None:
    for feature in (Feature.LINK_TCX, Feature.LINK_PERF_EVENT, Feature.INSN_ATOMICS, Feature.INSN_V4):
        assert features.probe(feature)
    assert permitted(features.target()) == permitted(Target())


def permitted(target: Target) -> dict[str, bool]:
    names = [field.name for field in dataclasses.fields(Target) if field.name != "branches"]  # which all kernels have
    return {name: getattr(target, name) for name in names}


def test_the_target_probes_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(features, "probe", lambda feature: asked.append(feature) or Finding(Outcome.NO, "EINVAL"))
    target = features.target()
    assert asked == []
    assert permitted(target) == dict.fromkeys(permitted(Target()), False)
    assert len(set(asked)) == len(asked) == len(permitted(target))


@pytest.mark.parametrize(
    ("number", "outcome"), [(errno.EACCES, Outcome.YES), (errno.EINVAL, Outcome.NO), (errno.EPERM, Outcome.UNKNOWN)]
)
def test_what_a_call_without_its_function_tells(
    monkeypatch: pytest.MonkeyPatch, number: int, outcome: Outcome
) -> None:
    monkeypatch.setattr(prog_load, "prog_load", lambda *args: prog_load.LoadResult(-number, "", False))
    assert features.probe(Feature.HELPER_LOOP).outcome is outcome


def test_a_kernel_without_iterators(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kfuncs, "_numbers", {"bpf_iter_num_new": None, "bpf_iter_num_destroy": 5})
    found = features.probe(Feature.KFUNC_ITER_NUM)
    assert found.outcome is Outcome.NO
    assert "bpf_iter_num_new" in found.why


@kernel
def test_without_privileges_nobody_can_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bpf_call, "_memlock_tried", True)
    os.seteuid(65534)
    try:
        for feature in (LPM_TRIES, XDP_PROGRAMS, Feature.LINK_TCX, Feature.HELPER_PROBE_READ_KERNEL):
            found = features.probe(feature)
            assert found.outcome is Outcome.UNKNOWN
            assert found.why.startswith("EPERM: ")
            features.require(feature)  # the operation itself may know better
    finally:
        os.seteuid(0)
    # What couldn't be told wasn't remembered.
    assert features.probe(XDP_PROGRAMS)


def answering(monkeypatch: pytest.MonkeyPatch, *answers: Finding) -> list[int]:
    """Replaces a probe by one that gives the answers in turn; counts its calls."""
    calls: list[int] = []

    def test() -> Finding:
        calls.append(1)
        return answers[len(calls) - 1]

    monkeypatch.setitem(PROBES, Feature.LINK_TCX, Probe("tcx links", "6.6", test))
    return calls


def test_an_answer_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = answering(monkeypatch, Finding(Outcome.NO, "EINVAL"))
    assert not features.probe(Feature.LINK_TCX)
    assert features.probe(Feature.LINK_TCX) == (Outcome.NO, "EINVAL")
    assert len(calls) == 1


def test_no_answer_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = answering(monkeypatch, Finding(Outcome.UNKNOWN, "EPERM"), Finding(Outcome.YES))
    assert not features.probe(Feature.LINK_TCX)
    assert features.probe(Feature.LINK_TCX)
    assert len(calls) == 2


def test_requiring_what_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, Finding(Outcome.NO, "EINVAL"))
    with pytest.raises(NotSupported, match=r"does not support tcx links; it came with Linux 6\.6") as caught:
        features.require(Feature.LINK_TCX)
    assert (caught.value.feature, caught.value.since) == ("tcx links", "6.6")


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (errno.EINVAL, Outcome.NO),
        (errno.EPERM, Outcome.UNKNOWN),
        (errno.ENOMEM, Outcome.UNKNOWN),
        (errno.ENOSYS, Outcome.UNKNOWN),
    ],
)
def test_what_a_refusal_tells(monkeypatch: pytest.MonkeyPatch, error: int, outcome: Outcome) -> None:
    def refuse(*args: object) -> int:
        raise KernelError(error, "no map")

    monkeypatch.setattr(syscalls, "map_create", refuse)
    found = features.probe(features.of_map(MapType.RINGBUF))
    assert found.outcome is outcome
    assert found.why == f"{errno.errorcode[error]}: {os.strerror(error)}"


@pytest.mark.parametrize("error", [errno.EINVAL, errno.EACCES])
def test_a_refused_program_tells_no(monkeypatch: pytest.MonkeyPatch, error: int) -> None:
    monkeypatch.setattr(prog_load, "prog_load", lambda *args: prog_load.LoadResult(-error, "", False))
    assert features.probe(Feature.INSN_ATOMICS).outcome is Outcome.NO
    assert features.target().atomic_alu is False


def test_the_target_keeps_its_defaults_where_nobody_can_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prog_load, "prog_load", lambda *args: prog_load.LoadResult(-errno.EPERM, "", False))
    assert permitted(features.target()) == permitted(Target())
