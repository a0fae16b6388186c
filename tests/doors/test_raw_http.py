"""Bytes that are no good HTTP: each is refused or cut, never a failure of ours, never a hang."""

from __future__ import annotations

import json
import logging
import re
import time

import pytest

from registry.doors import connection
from registry.doors.connection import HEAD_BYTES_MAX, HEADERS_MAX
from registry.testing.site import Site, patch_headers, read_all

OK = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def patch(*lines: str, body: bytes = b"") -> bytes:
    head = ["PATCH /hallmark/v1/uploads/x HTTP/1.1", "Host: x", *lines]
    head += [f"{name}: {value}" for name, value in patch_headers(0).items()]
    return "\r\n".join([*head, "", ""]).encode("latin-1") + body


def get(target: str, *lines: str, version: str = "1.1") -> bytes:
    return "\r\n".join([f"GET {target} HTTP/{version}", "Host: x", *lines, "", ""]).encode(
        "latin-1"
    )


MALFORMED = {
    "nothing": b"",
    "only line ends": b"\r\n" * 50,
    "noise": bytes(range(256)) * 4,
    "NULs": b"\0" * 1000,
    "TLS hello": bytes.fromhex("16030100c8010000c40303") + bytes(190),
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/0.9": b"GET /healthz\r\n\r\n",
    "HTTP/3.7": get("/healthz", version="3.7"),
    "unknown method": b"FROB /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    "endless method": b"G" * 100_000,
    "no path": b"GET  HTTP/1.1\r\nHost: x\r\n\r\n",
    "CONNECT": b"CONNECT example.org:443 HTTP/1.1\r\nHost: x\r\n\r\n",
    "asterisk": b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    "no Host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "two Hosts": get("/healthz", "Host: y"),
    "no end": b"GET /healthz HTTP/1.1\r\nHost: x\r\n",
    "NUL in path": get("/dl/a\0b"),
    "NUL encoded": get("/dl/a%00b"),
    "line end encoded": get("/dl/a%0d%0ab"),
    "bad percent": get("/dl/%zz%"),
    "not UTF-8": get("/dl/%ff%fe%80"),
    "raw bytes in path": b"GET /dl/\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
    "space in path": get("/dl/a b"),
    "dots": get("/dl/../../etc/passwd"),
    "encoded dots": get("/dl/..%2f..%2fetc%2fpasswd"),
    "double encoding": get("/dl/%252e%252e"),
    "backslashes": get("/dl/..\\..\\etc"),
    "NUL in header": get("/dl/x", "X: a\0b"),
    "bare CR in header": get("/dl/x", "X: a\rb"),
    "space before colon": get("/dl/x", "X : a"),
    "no colon": get("/dl/x", "just words"),
    "folded header": get("/dl/x", "X: a", "\tb"),
    "huge path": get("/dl/" + "a" * 2 * HEAD_BYTES_MAX),
    "huge query": get("/dl/x?" + "a" * 2 * HEAD_BYTES_MAX),
    "huge header": get("/dl/x", "X: " + "a" * 2 * HEAD_BYTES_MAX),
    "huge header without end": b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 2_000_000,
    "very many headers": get("/dl/x", *["X: a"] * (HEADERS_MAX + 1)),
    "length and chunks": patch(
        "Content-Length: 5", "Transfer-Encoding: chunked", body=b"0\r\n\r\n"
    ),
    "chunks and length": patch(
        "Transfer-Encoding: chunked", "Content-Length: 5", body=b"0\r\n\r\n"
    ),
    "two lengths": patch("Content-Length: 5", "Content-Length: 6", body=b"abcdef"),
    "list of lengths": patch("Content-Length: 5, 5", body=b"abcde"),
    "negative length": patch("Content-Length: -1"),
    "signed length": patch("Content-Length: +5", body=b"abcde"),
    "hexadecimal length": patch("Content-Length: 0x5", body=b"abcde"),
    "length beyond numbers": patch("Content-Length: " + "9" * 30),
    "unknown coding": patch("Transfer-Encoding: gzip", body=b"abc"),
    "chunked, but not last": patch("Transfer-Encoding: chunked, gzip", body=b"0\r\n\r\n"),
    "obscured chunked": patch("Transfer-Encoding: xchunked", body=b"0\r\n\r\n"),
    "chunk of no size": patch("Transfer-Encoding: chunked", body=b"zz\r\nabc\r\n0\r\n\r\n"),
    "chunk of negative size": patch("Transfer-Encoding: chunked", body=b"-1\r\nabc\r\n0\r\n\r\n"),
    "chunk of huge size": patch("Transfer-Encoding: chunked", body=b"f" * 20 + b"\r\nabc\r\n"),
    "chunk longer than said": patch("Transfer-Encoding: chunked", body=b"2\r\nabc\r\n0\r\n\r\n"),
    "chunk without end": patch("Transfer-Encoding: chunked", body=b"5\r\nab"),
    "endless chunk extension": patch("Transfer-Encoding: chunked", body=b"5;" + b"x" * 2_000_000),
    "endless trailer": patch(
        "Transfer-Encoding: chunked", body=b"1\r\na\r\n0\r\nX: " + b"x" * 2_000_000
    ),
    "body shorter than said": patch("Content-Length: 100", body=b"abc"),
    "offsets twice": patch("Content-Length: 1", "Upload-Offset: 1", body=b"a"),
    "wrong method on an address": b"DELETE /dl/x HTTP/1.1\r\nHost: x\r\n\r\n",
    "TRACE": b"TRACE /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    "range of the beyond": get("/dl/x", "Range: bytes=" + "9" * 5000 + "-"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_bad_requests_are_refused_or_cut(site: Site, name: str) -> None:
    """A client's mistake is answered 4xx, with a JSON error, or by closing the connection."""
    received = site.raw(MALFORMED[name])
    if received:
        head, _, body = received.partition(b"\r\n\r\n")
        status = int(head.split()[1])
        assert 400 <= status < 500, received[:300]
        assert json.loads(body)["error"]["reason"]
    assert site.ask("GET", "/healthz").status == 200


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("noise", 400),
        ("length and chunks", 400),
        ("chunks and length", 400),
        ("chunk of no size", 400),
        ("two lengths", 400),
        ("no Host", 400),
        ("two Hosts", 400),
        ("huge path", 431),
        ("huge header", 431),
        ("huge header without end", 431),
        ("very many headers", 431),
        ("NUL encoded", 403),
        ("bad percent", 403),
        ("not UTF-8", 403),
        ("dots", 404),
        ("wrong method on an address", 405),
    ],
)
def test_bad_requests_are_told_what_is_wrong(site: Site, name: str, status: int) -> None:
    """Where a request can be understood at all, the status says what is wrong with it."""
    assert site.raw(MALFORMED[name]).startswith(f"HTTP/1.1 {status} ".encode())


def test_requests_on_one_connection_do_not_mix(site: Site) -> None:
    """Requests sent at once are answered in their order, each once."""
    data = b"x" * 3000
    address = site.download("a.bin", data)
    received = site.raw(OK + get(address) + patch("Content-Length: 3", body=b"abc") + LAST)
    statuses = re.findall(rb"HTTP/1\.1 ([0-9]{3}) ", received)
    assert statuses == [b"200", b"200", b"403", b"200"]
    assert data in received


@pytest.mark.slow
def test_garbage_after_a_request_does_not_reach_its_answer(site: Site) -> None:
    """An error told in the middle of a file would look like a part of it; so the file is cut."""
    data = bytes(40_000_000)
    with site.connect() as client:
        client.sendall(get(site.download("big.bin", data)))
        client.recv(1)
        client.sendall(b"\0garbage\r\n\r\n")
        received = read_all(client)
    assert len(received) < len(data)
    assert b"HTTP/1.1 400" not in received


def test_smuggled_requests_are_not_served(site: Site) -> None:
    """What hides behind an ambiguous body is never taken for a request."""
    hidden = b"0\r\n\r\n" + LAST
    for head in (
        ("Content-Length: 5", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: chunked", f"Content-Length: {len(hidden)}"),
    ):
        received = site.raw(patch(*head, body=hidden))
        assert received.startswith(b"HTTP/1.1 400 ")
        assert b"HTTP/1.1 200" not in received


def test_trailers_change_nothing(site: Site) -> None:
    """A field after the body is no header of the request."""
    data = b"abc" * 50
    head = patch("Transfer-Encoding: chunked").replace(
        b"/hallmark/v1/uploads/x", site.upload(data).encode()
    )
    trailer = b"Upload-Offset: 7\r\nContent-Type: text/html\r\n"
    body = f"{len(data):x}\r\n".encode() + data + b"\r\n0\r\n" + trailer + b"\r\n"
    assert site.raw(head + body).startswith(b"HTTP/1.1 204 ")


@pytest.mark.slow
@pytest.mark.parametrize("sent", [b"", b"GET /heal", b"GET /healthz HTTP/1.1\r\nHost: x\r\n"])
def test_a_head_that_never_ends_is_cut(
    site: Site, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    """Who opens a connection and dawdles is told 408 and cut."""
    monkeypatch.setattr(connection, "HEAD_WAIT_S", 0)
    with site.connect() as client:
        client.sendall(sent)
        assert read_all(client).startswith(b"HTTP/1.1 408 ")


@pytest.mark.slow
def test_a_body_that_stalls_is_cut(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sender that stops in the middle is cut, and finds what it had sent."""
    data = b"stalled" * 10
    address = site.upload(data)
    with site.begin_patch(address, 0, len(data), data[:20]) as client:
        client.settimeout(20)
        monkeypatch.setattr(connection, "STALLED_S", 0)
        assert read_all(client).startswith(b"HTTP/1.1 408 ")
    monkeypatch.undo()
    while site.ask("HEAD", address).headers["upload-offset"] != "20":
        time.sleep(0.01)
    assert site.send(address, 20, data[20:]).status == 204


@pytest.mark.slow
def test_an_answer_that_nobody_takes_is_cut(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A reader that stops reading gives its place free."""
    address = site.download("big.bin", bytes(40_000_000))
    monkeypatch.setattr(connection, "STALLED_S", 0)
    with caplog.at_level(logging.INFO, "registry.calls"), site.connect() as client:
        client.sendall(get(address))
        while "CALL_CANCELLED" not in caplog.text:
            time.sleep(0.05)
        assert len(read_all(client)) < 40_000_000


def test_what_is_no_http_is_logged_without_its_bytes(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """A malformed request is one line too, and cannot write into the log."""
    with caplog.at_level(logging.INFO):
        site.raw(b"GET /dl/secret HTTP/1.1\r\nX : forged\r\n\r\n")
    lines = [r.getMessage() for r in caplog.records if r.name == "registry.calls"]
    assert json.loads(lines[-1])["outcome"] == "INVALID_ARGUMENT MALFORMED_REQUEST"
    assert "secret" not in caplog.text
    assert "forged" not in caplog.text
