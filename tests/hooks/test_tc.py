"""Traffic control in network namespaces: both mechanisms, the lifetimes of filters, and that others' filters stay."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest
from tc_programs import drop_b, drop_c, drop_ipv4, let_pass

from py2bpf import tc
from py2bpf.exception import ClosedError, DataTypeError, KernelError, NotSupported
from py2bpf.hooks import traffic_control
from py2bpf.kernel import clsact, links, program_info
from py2bpf.kernel.netdev import ifindex
from py2bpf.prog import create_prog
from py2bpf.uapi.prog_types import AttachType, ProgType

pytestmark = pytest.mark.kernel


def test_ingress_filter_drops_what_matches(wire, traffic, mechanism):
    _left, right = wire
    with right.inside(), tc.IngressFilter(drop_b) as filter:
        filter.install(right.device, mechanism=mechanism)
    assert traffic.is_dropped(b"bad")
    assert traffic.passes(b"good")


@pytest.mark.any_kernel
def test_the_mechanism_that_the_kernel_has(wire, traffic):
    left, right = wire
    with right.inside(), tc.IngressFilter(drop_ipv4) as filter:
        filter.install(right.device)
        assert traffic.is_dropped()
        assert filter.remove(right.device)
    with left.inside(), tc.EgressFilter(drop_ipv4) as filter:
        filter.install()
        assert traffic.is_dropped()
        assert tc.clear_egress_filter() == 1
    assert traffic.passes()


def test_it_outlives_the_object_until_cleared(wire, traffic, mechanism):
    _left, right = wire
    with right.inside():
        filter = tc.IngressFilter(drop_ipv4)
        filter.install(right.device, mechanism=mechanism)
        filter.close()
        filter.close()
        assert traffic.is_dropped()
        assert tc.clear_ingress_filter(right.device) == 1
        assert traffic.passes()
        assert tc.clear_ingress_filter(right.device) == 0


def test_it_outlives_the_process(wire, traffic, mechanism):
    _left, right = wire
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import tc_programs, py2bpf.tc\n"
        f"py2bpf.tc.IngressFilter(tc_programs.drop_ipv4).install({right.device!r}, mechanism={mechanism!r})"
    )
    right.shell(sys.executable, "-c", code)
    assert traffic.is_dropped()
    with right.inside():
        assert tc.clear_ingress_filter(right.device) == 1
    assert traffic.passes()


def test_egress_filter(wire, traffic, mechanism):
    left, _right = wire
    with left.inside(), tc.EgressFilter(drop_b) as filter:
        filter.install(left.device, mechanism=mechanism)
        assert traffic.is_dropped(b"bad")
        assert traffic.passes(b"good")
        assert tc.clear_ingress_filter(left.device) == 0
        assert tc.clear_egress_filter(left.device) == 1
    assert traffic.passes(b"bad")


def test_filters_work_one_after_the_other(wire, traffic, mechanism):
    _left, right = wire
    with right.inside(), tc.IngressFilter(drop_b) as first, tc.IngressFilter(drop_c) as second:
        first.install(right.device, mechanism=mechanism)
        second.install(right.device, mechanism=mechanism)
        assert traffic.passes(b"a") and traffic.is_dropped(b"b") and traffic.is_dropped(b"c")
        assert first.remove(right.device)
        assert not first.remove(right.device)
        assert traffic.passes(b"a") and traffic.passes(b"b") and traffic.is_dropped(b"c")
        assert tc.clear_ingress_filter(right.device) == 1


def test_action_ok_ends_the_search(wire, traffic, mechanism):
    _left, right = wire
    with right.inside(), tc.IngressFilter(drop_b, action=tc.TC_ACT_OK) as keep, tc.IngressFilter(drop_ipv4) as drop:
        keep.install(right.device, mechanism=mechanism)
        drop.install(right.device, mechanism=mechanism)
        assert traffic.passes(b"b")
        assert traffic.is_dropped(b"a")


def test_program_returns_the_action_itself(wire, traffic, mechanism):
    def verdict(skb):
        return tc.TC_ACT_SHOT if drop_b(skb) else tc.TC_ACT_OK

    _left, right = wire
    with right.inside(), tc.IngressProgram(verdict) as program:
        program.install(right.device, mechanism=mechanism)
        assert traffic.is_dropped(b"bad")
        assert traffic.passes(b"good")
        assert program.remove(right.device)


def test_egress_program(wire, traffic, mechanism):
    left, _right = wire
    with left.inside(), tc.EgressProgram(lambda skb: tc.TC_ACT_SHOT) as program:
        program.install(left.device, mechanism=mechanism)
        assert traffic.is_dropped()
        assert program.remove(left.device)
    assert traffic.passes()


def test_the_default_routes_device_is_taken(wire, traffic, mechanism):
    left, _right = wire
    with left.inside(), tc.EgressFilter(drop_ipv4) as filter:
        filter.install(mechanism=mechanism)
        assert traffic.is_dropped()
        assert tc.clear_egress_filter() == 1
    assert traffic.passes()


def test_removing_works_after_close(wire, traffic, mechanism):
    _left, right = wire
    with right.inside():
        with tc.IngressFilter(drop_ipv4) as filter:
            filter.install(right.device, mechanism=mechanism)
        assert traffic.is_dropped()
        assert filter.remove(right.device)
    assert traffic.passes()


def test_installing_twice_is_refused(wire, mechanism):
    _left, right = wire
    with right.inside(), tc.IngressFilter(drop_b) as filter:
        filter.install(right.device, mechanism=mechanism)
        with pytest.raises(KernelError) as caught:
            filter.install(right.device, mechanism=mechanism)
        assert caught.value.errno == errno.EEXIST
        assert f"py2bpf_drop_b is installed on device {right.device} already" in str(caught.value)
        assert filter.remove()
        filter.install(right.device, mechanism=mechanism)


def test_installing_by_the_other_mechanism_is_refused_too(wire, mechanism):
    pytest.importorskip("pyroute2")
    other = {"tcx": "clsact", "clsact": "tcx"}[mechanism]
    _left, right = wire
    with right.inside(), tc.IngressFilter(drop_b) as filter:
        if links.tcx_query(ifindex(right.device), AttachType.TCX_INGRESS) is None:
            pytest.skip("this kernel has no tcx")
        filter.install(right.device, mechanism=mechanism)
        with pytest.raises(KernelError, match="already"):
            filter.install(right.device, mechanism=other)


def test_tcx_programs_are_asked_in_their_order_and_before_clsact_filters(wire, traffic):
    pytest.importorskip("pyroute2")
    _left, right = wire
    with right.inside(), tc.IngressFilter(drop_b) as classic, tc.IngressProgram(let_pass) as passing:
        if links.tcx_query(ifindex(right.device), AttachType.TCX_INGRESS) is None:
            pytest.skip("this kernel has no tcx")
        classic.install(right.device, mechanism="clsact")
        assert traffic.is_dropped(b"bad")
        passing.install(right.device)
        assert traffic.passes(b"bad"), "tcx programs are asked first, also later ones"
        with tc.IngressFilter(drop_b) as late:
            late.install(right.device)
            assert traffic.passes(b"bad"), "behind the one that is there"
            passing.remove(right.device)
            assert traffic.is_dropped(b"bad")


def test_removing_without_a_device_is_from_where_it_was_installed(wire, traffic, mechanism):
    """Also where no default route leads anywhere: the right namespace has none."""
    _left, right = wire
    with right.inside(), tc.IngressFilter(drop_ipv4) as filter:
        assert filter.remove() is False
        filter.install(right.device, mechanism=mechanism)
        filter.install("lo", mechanism=mechanism)
        assert traffic.is_dropped()
        assert filter.remove() is True
        assert traffic.passes()
        assert filter.remove() is False
        assert tc.clear_ingress_filter("lo") == 0


def test_a_closed_filter_is_not_installed(wire, mechanism):
    _left, right = wire
    with right.inside():
        filter = tc.IngressFilter(drop_ipv4)
        filter.close()
        assert repr(filter).startswith("<IngressFilter of ") and "closed" in repr(filter)
        with pytest.raises(ClosedError, match="closed"):
            filter.install(right.device, mechanism=mechanism)
        assert filter.remove() is False


def test_removing_from_a_device_that_is_gone(wire, mechanism):
    _left, right = wire
    with right.inside(), tc.IngressFilter(drop_ipv4) as filter:
        right.shell("ip", "link", "add", "p2bgone", "type", "veth", "peer", "p2bpeer")
        filter.install("p2bgone", mechanism=mechanism)
        filter.install(right.device, mechanism=mechanism)
        right.shell("ip", "link", "del", "p2bgone")
        assert filter.remove() is True
        assert filter.remove() is False


@pytest.mark.parametrize("dev", [b"lo", 1.0, True, ["lo"]])
def test_what_is_no_device(dev):
    with tc.IngressFilter(drop_b) as filter:
        for call in (filter.install, filter.remove, tc.clear_ingress_filter):
            with pytest.raises(TypeError, match="a network device is given by its name"):
                call(dev)


def test_clearing_leaves_the_filters_and_qdiscs_of_others(wire, traffic):
    pytest.importorskip("pyroute2")
    _left, right = wire
    right.shell("tc", "qdisc", "add", "dev", right.device, "clsact")
    accept = ["bpf", "bytecode", "1,6 0 0 4294967295"]
    for side, prio in (("egress", "5"), ("egress", str(clsact.PRIORITIES.start)), ("ingress", "7")):
        right.shell("tc", "filter", "add", "dev", right.device, side, "prio", prio, "protocol", "all", *accept)
    before = [right.shell("tc", "filter", "show", "dev", right.device, side) for side in ("ingress", "egress")]
    with right.inside(), tc.IngressFilter(drop_ipv4) as filter:
        filter.install(right.device, mechanism="clsact")
        assert "py2bpf_drop_ipv4" in right.shell("tc", "filter", "show", "dev", right.device, "ingress")
        assert tc.clear_ingress_filter(right.device) == 1
        assert tc.clear_egress_filter(right.device) == 0
    assert before == [right.shell("tc", "filter", "show", "dev", right.device, side) for side in ("ingress", "egress")]
    assert "clsact" in right.shell("tc", "qdisc", "show", "dev", right.device)


def test_clearing_leaves_the_tcx_programs_of_others(wire, traffic):
    _left, right = wire
    with right.inside():
        index = ifindex(right.device)
        if links.tcx_query(index, AttachType.TCX_INGRESS) is None:
            pytest.skip("this kernel has no tcx")
        with create_prog(ProgType.SCHED_CLS, tc.SkBuffContext, let_pass, name="somebody") as other:
            with tc.IngressFilter(drop_ipv4) as ours:
                ours.install(right.device)
                links.tcx_attach(index, AttachType.TCX_INGRESS, other.handle)
                assert len(links.tcx_query(index, AttachType.TCX_INGRESS)) == 2
                assert tc.clear_ingress_filter(right.device) == 1
            assert [entry.prog_id for entry in links.tcx_query(index, AttachType.TCX_INGRESS)] == [
                program_info.prog_info(other.handle).id
            ]
            assert links.tcx_detach(index, AttachType.TCX_INGRESS, other.handle)


def test_a_failing_filter_leaves_the_decision_to_others(wire, traffic, mechanism):
    """An error that Python would raise must not end the search: the next filter still drops."""

    def faulty(skb):
        return 1 // (skb.len - skb.len)

    _left, right = wire
    with right.inside(), tc.IngressFilter(faulty) as broken, tc.IngressFilter(drop_ipv4) as drop:
        broken.install(right.device, mechanism=mechanism)
        assert traffic.passes()
        drop.install(right.device, mechanism=mechanism)
        assert traffic.is_dropped()


WITHOUT_SYS_ADMIN = """
import sys
sys.path.insert(0, {folder!r})
import tc_programs
from py2bpf import tc
from py2bpf.exception import KernelError
from py2bpf.kernel import links
try:
    links.prog_by_id(1)
except KernelError as error:
    assert "CAP_SYS_ADMIN" in str(error)
else:
    raise AssertionError("this process may open others' programs")
filter = tc.IngressFilter(tc_programs.drop_b)
filter.install("lo", mechanism="tcx")
filter.close()
assert filter.remove("lo") and not filter.remove("lo")
filter = tc.IngressFilter(tc_programs.drop_b)
filter.install("lo", mechanism="tcx")
assert tc.clear_ingress_filter("lo") == 1
"""


def test_a_process_takes_off_what_it_installed_without_cap_sys_admin(wire):
    _left, right = wire
    with right.inside():
        if links.tcx_query(ifindex("lo"), AttachType.TCX_INGRESS) is None:
            pytest.skip("this kernel has no tcx")
    code = WITHOUT_SYS_ADMIN.format(folder=str(Path(__file__).parent))
    right.shell("setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin", sys.executable, "-c", code)


def test_remove_looks_at_the_devices_of_one_namespace(wire, mechanism):
    left, right = wire
    with tc.IngressFilter(drop_b) as filter:
        for node in (left, right):
            with node.inside():
                filter.install("lo", mechanism=mechanism)
        for node in (left, right):
            with node.inside():
                assert filter.remove() and not filter.remove()


def test_places_on_the_qdisc_end(monkeypatch, wire):
    pytest.importorskip("pyroute2")
    monkeypatch.setattr(clsact, "PRIORITIES", clsact.PRIORITIES[:1])
    _left, right = wire
    with right.inside(), tc.IngressFilter(drop_b) as first, tc.IngressFilter(drop_b) as second:
        first.install(right.device, mechanism="clsact")
        with pytest.raises(KernelError, match="1 places for filters are taken"):
            second.install(right.device, mechanism="clsact")


def test_unknown_devices_are_named(wire):
    _left, right = wire
    with right.inside(), tc.IngressFilter(drop_b) as filter:
        with pytest.raises(KernelError, match=f"no network device 'nosuch'; there are: .*{right.device}"):
            filter.install("nosuch")
        with pytest.raises(KernelError, match="no network device 9999"):
            filter.install(9999)
        with pytest.raises(KernelError, match="no default route"):
            filter.install()


def test_kernels_without_tcx_use_clsact(wire, traffic, monkeypatch):
    pytest.importorskip("pyroute2")
    monkeypatch.setattr(traffic_control, "tcx_query", lambda *_: None)
    _left, right = wire
    with right.inside(), tc.IngressFilter(drop_ipv4) as filter:
        with pytest.raises(NotSupported, match=r"tcx programs; it came with Linux 6\.6"):
            filter.install(right.device, mechanism="tcx")
        filter.install(right.device)
        assert traffic.is_dropped()
        assert "py2bpf_drop_ipv4" in right.shell("tc", "filter", "show", "dev", right.device, "ingress")
        assert tc.clear_ingress_filter(right.device) == 1
    assert traffic.passes()


def test_a_missing_pyroute2_is_named(wire, monkeypatch):
    monkeypatch.setattr(traffic_control, "tcx_query", lambda *_: None)
    monkeypatch.setitem(sys.modules, "pyroute2", None)
    _left, right = wire
    with right.inside(), tc.IngressFilter(drop_ipv4) as filter:
        with pytest.raises(ImportError, match=r"pip install 'py2bpf\[tc\]'"):
            filter.install(right.device)
        with pytest.raises(ImportError, match=r"pip install 'py2bpf\[tc\]'"):
            tc.clear_ingress_filter(right.device)


def test_clearing_works_without_pyroute2_where_tcx_is(wire, traffic, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyroute2", None)
    _left, right = wire
    with right.inside():
        if links.tcx_query(ifindex(right.device), AttachType.TCX_INGRESS) is None:
            pytest.skip("this kernel has no tcx")
        with tc.IngressFilter(drop_ipv4) as filter:
            filter.install(right.device)
            assert traffic.is_dropped()
            assert tc.clear_ingress_filter(right.device) == 1


def test_importing_needs_no_pyroute2():
    code = "import sys; sys.modules['pyroute2'] = None; import py2bpf.tc"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_is_no_action() -> None:
    with pytest.raises(DataTypeError, match=r"action is a result of tc, such as tc\.TC_ACT_SHOT, not 'bad'"):
        tc.IngressFilter(lambda skb: 0, action="bad")
