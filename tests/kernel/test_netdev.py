"""Finding the default route's device."""

import pytest

from py2bpf.exception import KernelError
from py2bpf.kernel import netdev

IPV4 = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0100A8C0\t0003\t0\t0\t200\t00000000\t0\t0\t0
eth1\t00000000\t0100A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0
eth2\t00000000\t0100A8C0\t0002\t0\t0\t0\t00000000\t0\t0\t0
tun0\t00000000\t00000000\t0001\t0\t0\t0\t00000080\t0\t0\t0
eth0\t0000A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
"""
ZERO = "0" * 32
IPV6 = f"""\
fe80{"0" * 28} 40 {ZERO} 00 {ZERO} 00000100 00000001 00000000 00000001     eth0
{ZERO} 00 {ZERO} 00 fe80{"0" * 28} 00000400 00000001 00000000 00450003     eth3
{ZERO} 00 {ZERO} 00 {ZERO} ffffffff 00000001 00000000 00200200       lo
"""


def test_ipv4_defaults():
    assert sorted(netdev.ipv4_defaults(IPV4)) == [(100, "eth1"), (200, "eth0")]


def test_ipv6_defaults():
    assert list(netdev.ipv6_defaults(IPV6)) == [(0x400, "eth3")]


@pytest.fixture
def routes(tmp_path, monkeypatch):
    def write(ipv4, ipv6):
        for name, text in (("_IPV4_ROUTES", ipv4), ("_IPV6_ROUTES", ipv6)):
            file = tmp_path / name
            file.write_text(text)
            monkeypatch.setattr(netdev, name, file)

    return write


def test_the_best_metric_wins(routes):
    routes(IPV4, IPV6)
    assert netdev.default_device() == "eth1"


def test_ipv6_alone(routes):
    routes(IPV4.splitlines()[0], IPV6)
    assert netdev.default_device() == "eth3"


def test_no_default_route(routes):
    routes(IPV4.splitlines()[0], "")
    with pytest.raises(KernelError, match=r"no default route.*name a device"):
        netdev.default_device()


def test_devices_by_name_and_number():
    assert netdev.ifindex("lo") == netdev.ifindex(netdev.ifindex("lo"))


@pytest.mark.parametrize("dev", ["nosuch", 999999, -1, 1 << 40, ""])
def test_unknown_devices(dev):
    with pytest.raises(KernelError, match=r"no network device .*there are: .*lo"):
        netdev.ifindex(dev)
