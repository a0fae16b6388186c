"""What holds for every test: the network is closed but for loopback, and time plays no part."""

from __future__ import annotations

import gc
import ipaddress
import os
import sys
from collections.abc import Generator

import hypothesis
import pytest

# Before anything imports them, from whatever folder.
pytest.register_assert_rewrite("registry.testing.contracts")

PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "grpc_proxy", "no_proxy")
GUARDED_CALLS = ("socket.bind", "socket.connect", "socket.sendto", "socket.sendmsg")


class NetworkClosedError(RuntimeError):
    """A test reached for a host other than this one."""


def is_loopback(host: object) -> bool:
    """Whether a socket may talk to `host`; a name other than localhost would need a resolver."""
    if isinstance(host, bytes | bytearray):
        host = host.decode("ascii", "replace")
    if host is None or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(str(host).partition("%")[0]).is_loopback
    except ValueError:
        return False


def close_network(event: str, args: tuple[object, ...]) -> None:
    """An audit hook: raises NetworkClosedError for what leaves this machine, Unix sockets apart."""
    if event == "socket.getaddrinfo":
        host = args[0]
    elif event in GUARDED_CALLS and isinstance(args[1], tuple):
        host = args[1][0]
    else:
        return
    if not is_loopback(host):
        raise NetworkClosedError(
            f"{event} of {host!r}: tests may only use loopback (127.0.0.1, ::1, localhost)"
        )


# How fast a machine draws examples says nothing about the code.
hypothesis.settings.register_profile(
    "hallmark", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.register_profile(
    "quick", parent=hypothesis.settings.get_profile("hallmark"), max_examples=20
)


def pytest_configure(config: pytest.Config) -> None:
    # An audit hook stays for good and sees every Python socket, however it is reached. Libraries
    # with sockets of their own (grpc, libpq) pass by it; without a proxy they have nowhere to go.
    sys.addaudithook(close_network)
    for name in PROXY_VARIABLES:
        os.environ.pop(name, None)
        os.environ.pop(name.upper(), None)
    if config.getoption("--hypothesis-profile") is None:
        hypothesis.settings.load_profile("hallmark")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is collected stays until the end, so nothing looks through it for garbage."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture
def policy_files_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most files of a changed set are as shipped, and reading is most of what loading costs."""
    # Not at the top: whoever runs a test of names need not load the policies.
    from registry.testing.policies import read_yaml_once

    monkeypatch.setattr("registry.policies.loader.read_yaml", read_yaml_once)
