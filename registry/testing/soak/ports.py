"""Ports that a server can have back after it was killed."""

from __future__ import annotations

import random
import socket
from collections.abc import Mapping
from pathlib import Path

_CLIENTS = Path("/proc/sys/net/ipv4/ip_local_port_range")
_WIDTH = 10_000


def settled_addresses() -> Mapping[str, str]:
    """Settings that have a server listen on two ports that are free, and stay so while it is down.

    They lie below those that the system gives to clients. One of these would else be taken some
    day, be it by a client of ours that knocks so often that it connects to itself.
    """
    return {
        "HALLMARK_GRPC_ADDRESS": f"127.0.0.1:{settled_port()}",
        "HALLMARK_HTTP_ADDRESS": f"127.0.0.1:{settled_port()}",
    }


def settled_port() -> int:
    """One such port."""
    end = int(_CLIENTS.read_text().split()[0])
    # By the system's chance, not by a test's: tests that run side by side may have one seed.
    for port in random.SystemRandom().sample(range(end - _WIDTH, end), 100):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError(f"100 ports below {end} are all in use")
