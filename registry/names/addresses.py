"""Addresses that the server may be told to connect to, judged: a guard against being sent inside.

Whoever names a URL (a webhook's receiver, a hub) could name what only this server reaches: its own
loopback, the cloud's metadata service, a neighbour's admin page. So a host is resolved once, each
address it has is judged here, and the connection goes to the address that was judged, never to the
name again, which might mean another one by then.

All that is not plainly an address on the internet is refused. Forms that carry an IPv4 address
within an IPv6 one are refused as such, whatever they carry: nobody needs them to be reached.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

#: Where clouds answer with credentials, outside of the link-local range.
_METADATA = tuple(
    map(ipaddress.ip_network, ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254"))
)
#: In this order, so that an address gets the narrowest reason; nothing lets one of these in.
_NEVER: tuple[tuple[str, tuple[Network, ...]], ...] = tuple(
    (reason, tuple(map(ipaddress.ip_network, networks)))
    for reason, networks in (
        ("the unspecified address", ("0.0.0.0/8", "::/128")),
        ("link-local, where clouds keep their metadata", ("169.254.0.0/16", "fe80::/10")),
        ("multicast", ("224.0.0.0/4", "ff00::/8")),
        ("IPv4 in IPv6 (mapped)", ("::ffff:0:0/96",)),
        ("IPv4 in IPv6 (translated)", ("::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48")),
        ("IPv4 in IPv6 (6to4)", ("2002::/16",)),
        ("IPv4 in IPv6 (Teredo)", ("2001::/32",)),
        ("reserved", ("192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15", "240.0.0.0/4")),
        ("for documentation", ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")),
        ("for documentation", ("2001:db8::/32", "3fff::/20")),
        ("reserved", ("2001::/23", "5f00::/16")),
    )
)
_LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
_PRIVATE = tuple(
    map(
        ipaddress.ip_network,
        ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"),
    )
)
#: All of IPv6 that is in use on the internet.
_UNICAST = ipaddress.ip_network("2000::/3")


def judge_address(
    text: str | Address, *, networks: Sequence[Network] = (), loopback: bool = False
) -> str | None:
    """Why nothing may be sent to an address; None where it may.

    `networks` are private ones that an operator has named, `loopback` lets in 127.0.0.0/8 and ::1.
    Neither lets in anything else. Text that is no address in its usual form is refused.
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return "no IP address"
    if getattr(address, "scope_id", None):
        return "an address with a zone"
    if _within(address, _METADATA):
        return "a cloud's metadata service"
    if _within(address, _LOOPBACK):
        return None if loopback else "loopback, this server itself"
    for reason, never in _NEVER:
        if _within(address, never):
            return reason
    if _within(address, _PRIVATE):
        return None if _within(address, networks) else "private"
    if address.version == 6 and address not in _UNICAST:
        return "reserved"
    return None


def _within(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)
