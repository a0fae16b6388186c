"""Senders of webhooks: the contract, and what a hostile receiver may try with the real one."""

from __future__ import annotations

import select
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.domain.webhooks import Answer
from registry.jobs.webhooks import HttpSender
from registry.testing.certificates import Authority
from registry.testing.contracts.senders import BODY, Place, SenderContract
from registry.testing.receiver import (
    Behaviour,
    Receiver,
    drips,
    floods,
    hangs,
    receiver,
    replies,
    resets,
    says,
)
from registry.testing.webhooks import MemorySender, said

HOST = "hooks.example"
DEADLINE_S = 1.0


class MemoryPlace:
    def __init__(self) -> None:
        self.sender = MemorySender()
        self.url = f"https://{HOST}/in?key=1"

    def answers(self, status: int, retry_after_s: int | None = None) -> None:
        self.sender.answer = lambda _: said(status, retry_after_s=retry_after_s)

    def received(self) -> list[tuple[dict[str, str], bytes]]:
        return [(dict(each.headers), each.body) for each in self.sender.received]


class RealPlace:
    """A receiver with a certificate for HOST, which the resolver says is on loopback."""

    def __init__(self, opened: Receiver, authority: Path) -> None:
        self.receiver = opened
        self.authority = authority
        self.resolved: list[str] = []
        self.addresses = ["127.0.0.1"]
        self.sender = HttpSender(
            development=True, ca_file=authority, deadline_s=DEADLINE_S, resolve=self._resolve
        )
        self.url = f"https://{HOST}:{opened.port}/in?key=1"

    def answers(self, status: int, retry_after_s: int | None = None) -> None:
        extra = [] if retry_after_s is None else [f"Retry-After: {retry_after_s}"]
        self.receiver.behaviour = replies(status, "Location: https://127.0.0.1/", *extra)

    def received(self) -> list[tuple[dict[str, str], bytes]]:
        return [(each.headers, each.body) for each in self.receiver.requests]

    def _resolve(self, host: str, port: int) -> list[str]:
        self.resolved.append(host)
        return self.addresses


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def real(authority: Authority) -> Iterator[RealPlace]:
    with receiver(authority.issue(HOST)) as opened:
        yield RealPlace(opened, authority.certificate)


class TestMemorySender(SenderContract):
    @pytest.fixture
    def place(self) -> Place:
        return MemoryPlace()


class TestHttpSender(SenderContract):
    @pytest.fixture
    def place(self, real: RealPlace) -> Place:
        return real


def send(place: RealPlace, behaviour: Behaviour) -> Answer:
    place.receiver.behaviour = behaviour
    return place.sender.send(place.url, {}, BODY)


def test_the_request_is_plain(real: RealPlace) -> None:
    """Path and query as given, the name as host, the type told, and nothing of a proxy."""
    real.sender.send(real.url, {}, BODY)
    (request,) = real.receiver.requests
    assert request.line == "POST /in?key=1 HTTP/1.1"
    assert request.headers["host"] == f"{HOST}:{real.receiver.port}"
    assert request.headers["content-type"] == "application/json"


@pytest.mark.slow
@pytest.mark.parametrize("behaviour", [hangs, drips])
def test_a_receiver_that_takes_its_time_is_left(real: RealPlace, behaviour: Behaviour) -> None:
    """Silence and a byte now and then end alike, at the deadline."""
    answer = send(real, behaviour)
    assert (answer.status, answer.error) == (0, "no reply in time")
    assert answer.duration_ms >= DEADLINE_S * 1000 * 0.9


@pytest.mark.slow
def test_a_name_that_is_not_resolved_in_time_is_left(real: RealPlace) -> None:
    """A name server that says nothing costs as much as a receiver that does; the time counts."""
    forever = threading.Event()

    def resolve(host: str, port: int) -> list[str]:
        forever.wait()
        return ["127.0.0.1"]

    sender = HttpSender(
        development=True, ca_file=real.authority, deadline_s=DEADLINE_S, resolve=resolve
    )
    try:
        answer = sender.send(real.url, {}, BODY)
    finally:
        forever.set()
    assert (answer.status, answer.error) == (0, "the host's name was not resolved in time")
    assert real.receiver.requests == []


def test_a_receiver_that_floods_has_taken_delivery(real: RealPlace) -> None:
    """Its status counts; of its endless body a little is read and dropped."""
    assert send(real, floods).is_delivered


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        (resets, "cut"),
        (says(b""), "cut"),
        (says(b"220 mail.example ESMTP\r\n"), "no HTTP"),
        (says(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n"), "no HTTP"),
        (says(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000), "no HTTP"),
    ],
)
def test_what_is_no_reply(real: RealPlace, behaviour: Behaviour, error: str) -> None:
    """Resets and other protocols are failures in words of ours."""
    answer = send(real, behaviour)
    assert answer.status == 0
    assert error in answer.error


@pytest.mark.parametrize("first", [b"", b"x"])
def test_a_receiver_that_resets_before_tls_has_failed(
    monkeypatch: pytest.MonkeyPatch, first: bytes
) -> None:
    """Whatever it sent before: that too is a try that ended, or it would never count as one."""
    connect = socket.create_connection
    with socket.create_server(("127.0.0.1", 0)) as server:

        def cut(address: tuple[str, int], timeout: float) -> socket.socket:
            """A connection that is gone before anybody looks at it."""
            opened = connect(address, timeout)
            peer, _ = server.accept()
            peer.sendall(first)
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            peer.close()
            poll = select.poll()
            poll.register(opened, select.POLLERR | select.POLLHUP)
            poll.poll()
            return opened

        monkeypatch.setattr(socket, "create_connection", cut)
        sender = HttpSender(development=True, deadline_s=DEADLINE_S)
        answer = sender.send(f"https://127.0.0.1:{server.getsockname()[1]}/", {}, BODY)
    assert answer.status == 0
    assert answer.error in ("the connection was cut", "no TLS was agreed on")


def test_a_redirect_is_not_followed(real: RealPlace) -> None:
    """Also one to where nothing else would be refused."""
    answer = send(real, replies(307, f"Location: {real.url}"))
    assert (answer.status, "redirect" in answer.error) == (307, True)
    assert len(real.receiver.requests) == 1


@pytest.mark.slow
def test_a_certificate_of_somebody_else_is_refused(
    real: RealPlace, authority: Authority, tmp_path: Path
) -> None:
    """Neither another name, nor another authority, nor none gets a request to read."""
    with receiver(authority.issue("other.example")) as other:
        url = real.url.replace(str(real.receiver.port), str(other.port))
        answer = real.sender.send(url, {}, BODY)
        assert "certificate" in answer.error
        assert other.requests == []
    foreign = Authority(tmp_path)
    with receiver(foreign.issue(HOST)) as other:
        url = real.url.replace(str(real.receiver.port), str(other.port))
        assert "certificate" in real.sender.send(url, {}, BODY).error
        assert other.requests == []
    with receiver() as plain:
        url = real.url.replace(str(real.receiver.port), str(plain.port))
        assert not real.sender.send(url, {}, BODY).is_delivered


def test_the_address_that_was_judged_is_the_one_connected_to(real: RealPlace) -> None:
    """The name is asked for once; what it would mean a moment later is no matter."""
    assert real.sender.send(real.url, {}, BODY).is_delivered
    assert real.resolved == [HOST]


@pytest.mark.parametrize(
    "addresses",
    [["169.254.169.254"], ["127.0.0.1", "10.0.0.1"], ["::ffff:127.0.0.1"], ["0.0.0.0"], []],
)
def test_a_name_that_leads_inside_is_refused(real: RealPlace, addresses: list[str]) -> None:
    """One bad address is enough, and nobody is connected to."""
    real.addresses = addresses
    answer = real.sender.send(real.url, {}, BODY)
    assert (answer.status, bool(answer.error)) == (0, True)
    assert real.receiver.connections == 0


@pytest.mark.slow
def test_loopback_is_for_development_alone() -> None:
    """A server that others reach sends nothing to itself, by address, name, or without TLS."""
    with receiver() as opened:
        for serving in (True, False):
            sender = HttpSender(development=serving)
            for host in ("127.0.0.1", "localhost"):
                answer = sender.send(f"http://{host}:{opened.port}/", {}, BODY)
                assert answer.is_delivered is serving
        assert len(opened.requests) == 2
        assert HttpSender().problem_of("https://127.0.0.1/") is not None
        assert HttpSender().problem_of("https://[::1]/") is not None
        assert HttpSender(development=True).problem_of("http://127.0.0.1/") is None
        assert HttpSender(development=True).problem_of("http://1.1.1.1/") is not None


def test_no_proxy_of_the_environment_is_used(
    real: RealPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy would be told the URL, and would connect to where nobody judged."""
    with socket.create_server(("127.0.0.1", 0)) as trap:
        for name in ("http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{trap.getsockname()[1]}")
        assert real.sender.send(real.url, {}, BODY).is_delivered
