"""Syslog messages, read by a small parser that knows RFC 5424 and nothing of ours."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.client.errors import SetupError, UnavailableError
from registry.client.syslog import SyslogSender, framed, line_of
from registry.client.values import Event
from registry.testing.certificates import Authority

TIME = datetime(2026, 11, 20, 22, 6, 0, 1234, tzinfo=UTC)


def event(**changes: str) -> Event:
    given = {
        "name": "shards/3/events/7",
        "actor": "principals/ann",
        "action": "stage.move",
        "resource": "models/fraud/scorer/stages/production",
        "namespace": "fraud",
        "detail_json": '{"from":6,"note":"a \\\\"]"}',
        "previous_hash": "0" * 64,
        "hash": "a" * 64,
        **changes,
    }
    return Event(time=TIME, **given)


def parsed(line: bytes) -> tuple[list[str], str, dict[str, str], str]:
    """Header fields, id and parameters of the structured data, and the text (RFC 5424, 6)."""
    head = re.match(
        rb"<(\d{1,3})>(\d{1,2}) (\S+) ([!-~]{1,255}) ([!-~]{1,48}) ([!-~]{1,128}) ([!-~]{1,32}) \[",
        line,
    )
    assert head is not None
    text = line[head.end() :].decode("utf-8")
    identity = re.match(r"[^ =\]\"]{1,32}", text)
    assert identity is not None
    rest, params = text[identity.end() :], {}
    while rest[0] == " ":
        name, _, rest = rest[1:].partition('="')
        assert re.fullmatch(r"[!-~]{1,32}", name)
        value = ""
        while rest[0] != '"':
            assert rest[0] != "]"
            if rest[0] == "\\":
                rest = rest[1:]
            value, rest = value + rest[0], rest[1:]
        params[name], rest = value, rest[1:]
    assert rest.startswith("] \ufeff")
    fields = [group.decode("ascii") for group in head.groups()]
    return fields, identity[0], params, rest[3:]


def test_a_message_says_what_happened() -> None:
    """Log audit, notice; to the microsecond, from the host, with every member of the event."""
    fields, identity, params, text = parsed(line_of(event(), host="hub.corp"))
    assert fields == [
        *("109", "1", "2026-11-20T22:06:00.001234Z", "hub.corp"),
        *("hallmark", "-", "stage.move"),
    ]
    assert identity == "hallmark@32473"
    assert (params["shard"], params["number"]) == ("3", "7")
    assert params["detail"] == event().detail_json
    assert text == "stage.move models/fraud/scorer/stages/production by principals/ann"


texts = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=40)


@given(texts, texts, texts)
def test_every_member_comes_back(actor: str, resource: str, detail: str) -> None:
    """Quotes, backslashes, brackets and any script survive."""
    given = event(actor=actor, resource=resource, detail_json=detail)
    params = parsed(line_of(given))[2]
    for name in ("actor", "resource", "previous_hash", "hash", "namespace", "action"):
        assert params[name] == getattr(given, name)
    assert params["detail"] == detail


@given(st.text(st.characters(categories=("Cc", "Cs", "Lu")), min_size=1, max_size=20))
def test_no_text_ends_a_message_early(text: str) -> None:
    """A forged event with controls in it is still one line, and one header."""
    line = line_of(event(actor=text, resource=text, action=text), host=text)
    assert not re.search(rb"[\x00-\x1f\x7f]", line)
    parsed(line)


def test_messages_in_a_stream_are_told_apart() -> None:
    """By their length in bytes before them, or a newline behind them."""
    line = line_of(event(actor="principals/\N{SNOWMAN}"))
    assert framed(line, "newline") == line + b"\n"
    length, _, rest = framed(line, "octet-counting").partition(b" ")
    assert (int(length), rest) == (len(line), line)


def test_a_datagram_is_one_message() -> None:
    """Over UDP each comes by itself; one that is too long comes without its detail."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(30)
        sender = SyslogSender(f"udp://127.0.0.1:{server.getsockname()[1]}", framing="newline")
        long = event(detail_json="x" * 70_000)
        sender.send((each, line_of(each)) for each in (event(), long))
        assert server.recv(65_535) == line_of(event())
        assert "detail" not in parsed(server.recv(65_535))[2]
        sender.close()


def test_tls_needs_an_authority_that_is_trusted(tmp_path: Path) -> None:
    """Sent where the certificate is by the given authority, refused before a byte where not."""
    authority = Authority(tmp_path)
    issued = authority.issue("127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.certificate, issued.key)
    received: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for _ in range(2):
                connection, _ = server.accept()
                try:
                    with context.wrap_socket(connection, server_side=True) as secured:
                        while data := secured.recv(65_536):
                            received.append(data)
                except OSError:
                    # The client that trusts nobody here has gone.
                    connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        url = f"tls://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(UnavailableError):
            SyslogSender(url, framing="octet-counting")
        sender = SyslogSender(url, framing="octet-counting", ca_file=authority.certificate)
        sender.send([(event(), line_of(event()))])
        sender.close()
        thread.join()
    assert b"".join(received) == framed(line_of(event()), "octet-counting")


@pytest.mark.parametrize(
    "url", ["http://a:1", "tcp://a", "tcp://:514", "tcp://a:99999", "tcp://a:1/x", "a:514", ""]
)
def test_other_addresses_are_refused(url: str) -> None:
    """What is expected is said."""
    with pytest.raises(SetupError, match="expected tcp://host:port"):
        SyslogSender(url, framing="newline")


def test_nobody_listens() -> None:
    """An address without a server is UNAVAILABLE, before anything is exported."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(UnavailableError, match="cannot be reached"):
        SyslogSender(f"tcp://127.0.0.1:{port}", framing="newline")
