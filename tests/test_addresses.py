"""Addresses that nothing is sent to, in every spelling that a resolver takes."""

from __future__ import annotations

import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.names.addresses import judge_address

#: How a host may be written, and a word of the reason why nothing is sent there.
REFUSED = {
    # This server itself.
    "127.0.0.1": "loopback",
    "127.1": "loopback",
    "127.0.1": "loopback",
    "127.255.255.254": "loopback",
    "2130706433": "loopback",
    "017700000001": "loopback",
    "0x7f000001": "loopback",
    "0x7f.1": "loopback",
    "0177.0.0.1": "loopback",
    "127.0.0.0x1": "loopback",
    "0x7F.0X0.0.1": "loopback",
    "::1": "loopback",
    "0:0:0:0:0:0:0:1": "loopback",
    "0000:0000:0000:0000:0000:0000:0000:0001": "loopback",
    # Any address of this machine, by which Linux means loopback.
    "0.0.0.0": "unspecified",
    "0": "unspecified",
    "0x0": "unspecified",
    "0.0.0.1": "unspecified",
    "0.255.255.255": "unspecified",
    "::": "unspecified",
    # Where clouds hand out credentials.
    "169.254.169.254": "link-local",
    "169.254.170.2": "link-local",
    "2852039166": "link-local",
    "0xa9fea9fe": "link-local",
    "0251.0376.0251.0376": "link-local",
    "169.254.43518": "link-local",
    "fe80::1": "link-local",
    "febf::1": "link-local",
    "fd00:ec2::254": "metadata",
    "100.100.100.200": "metadata",
    "168.63.129.16": "metadata",
    "192.0.0.192": "metadata",
    # Inside.
    "10.0.0.1": "private",
    "10.255.255.255": "private",
    "167772161": "private",
    "012.1": "private",
    "172.16.0.1": "private",
    "172.31.255.255": "private",
    "0xac100001": "private",
    "192.168.0.1": "private",
    "192.168.257": "private",
    "3232235521": "private",
    "100.64.0.1": "private",
    "100.127.255.255": "private",
    "fc00::1": "private",
    "fdff:ffff::1": "private",
    # IPv4 in the clothes of IPv6.
    "::ffff:127.0.0.1": "mapped",
    "::ffff:7f00:1": "mapped",
    "::ffff:169.254.169.254": "mapped",
    "::ffff:8.8.8.8": "mapped",
    "0:0:0:0:0:ffff:10.0.0.1": "mapped",
    "::127.0.0.1": "reserved",
    "::7f00:1": "reserved",
    "::ffff:0:127.0.0.1": "translated",
    "64:ff9b::127.0.0.1": "translated",
    "64:ff9b::a9fe:a9fe": "translated",
    "64:ff9b:1::1": "translated",
    "2002:7f00:1::": "6to4",
    "2002:a9fe:a9fe::1": "6to4",
    "2001:0:7f00:1::": "Teredo",
    # To many, to nobody.
    "224.0.0.1": "multicast",
    "239.255.255.250": "multicast",
    "ff02::1": "multicast",
    "ff05::1:3": "multicast",
    "255.255.255.255": "reserved",
    "240.0.0.1": "reserved",
    "192.0.0.1": "reserved",
    "192.88.99.1": "reserved",
    "198.18.0.1": "reserved",
    "198.19.255.255": "reserved",
    "192.0.2.1": "documentation",
    "198.51.100.7": "documentation",
    "203.0.113.9": "documentation",
    "2001:db8::1": "documentation",
    "2001:10::1": "reserved",
    "100::1": "reserved",
    "fec0::1": "reserved",
    "4000::1": "reserved",
    "5f00::1": "reserved",
}
TAKEN = ["1.1.1.1", "9.255.255.255", "11.0.0.0", "172.15.0.1", "172.32.0.1", "100.63.255.255"]
TAKEN += ["126.255.255.255", "128.0.0.1", "169.253.0.1", "223.255.255.255", "2606:4700::1111"]
INSIDE = [ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0")]


def numeric(host: str) -> str:
    """The address that a resolver makes of it without asking anybody, as inet_aton reads it."""
    if ":" in host:
        return socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, host))
    return socket.inet_ntoa(socket.inet_aton(host))


def test_there_are_enough() -> None:
    """The table is not thinned out."""
    assert len(REFUSED) >= 60


@pytest.mark.parametrize("host", REFUSED)
def test_refused_in_every_spelling(host: str) -> None:
    """What a resolver makes of it is refused, with a reason that says what it is."""
    reason = judge_address(numeric(host))
    assert reason is not None
    assert REFUSED[host] in reason


@pytest.mark.parametrize("host", REFUSED)
def test_an_operator_lets_in_private_networks_alone(host: str) -> None:
    """Whatever networks are named, however widely, nothing but private addresses gets in."""
    reason = judge_address(numeric(host), networks=INSIDE)
    assert (reason is None) is (REFUSED[host] == "private")


@pytest.mark.parametrize("host", REFUSED)
def test_development_lets_in_loopback_alone(host: str) -> None:
    """A development server may send to itself, and to nothing else that is refused elsewhere."""
    reason = judge_address(numeric(host), loopback=True)
    assert (reason is None) is (REFUSED[host] == "loopback")


@pytest.mark.parametrize("address", TAKEN)
def test_the_internet_is_let_in(address: str) -> None:
    """Addresses right beside the refused ranges are fine."""
    assert judge_address(address) is None


@pytest.mark.parametrize("text", ["", "localhost", "127.1", "0x7f000001", "1.1.1.1 ", "fe80::1%lo"])
def test_what_is_no_plain_address_is_refused(text: str) -> None:
    """Names, short forms and zones are no addresses: a resolver has to have made one of them."""
    assert judge_address(text) is not None


@given(st.ip_addresses())
@pytest.mark.slow
def test_what_is_let_in_is_global(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    """Nothing gets in that the standard library does not take for an address on the internet."""
    if judge_address(address) is None:
        assert address.is_global
        assert not address.is_multicast
