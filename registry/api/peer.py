"""Where a call comes from, and whether others can read it on its way."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import unquote

import grpc

#: Whoever has one IPv6 address has all of these.
_OWN_BITS = 64


@dataclass(frozen=True, kw_only=True)
class Peer:
    #: An IPv4 address, or the network of an IPv6 one. Behind a proxy it is the proxy's.
    address: str
    #: Encrypted, or from this machine.
    is_confidential: bool


def peer_of(context: grpc.ServicerContext) -> Peer:
    is_encrypted = b"ssl" in (context.auth_context().get("transport_security_type") or ())
    kind, _, rest = unquote(context.peer()).partition(":")
    if kind not in ("ipv4", "ipv6"):
        return Peer(address=kind, is_confidential=is_encrypted)
    host = rest.rpartition(":")[0].strip("[]").partition("%")[0]
    address = ipaddress.ip_address(host)
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address
    return Peer(address=_counted_as(address), is_confidential=is_encrypted or address.is_loopback)


def _counted_as(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    if isinstance(address, ipaddress.IPv4Address) or address.is_loopback:
        return str(address)
    return str(ipaddress.ip_network((address, _OWN_BITS), strict=False))
