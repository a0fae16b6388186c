"""An issuer's keys: where they come from, when they are asked for, how long they hold."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from registry.auth.jwk import KEYS_MAX, read_key_set
from registry.auth.keys import (
    DOCUMENT_BYTES_MAX,
    KEPT_US,
    PAUSE_US,
    RENEW_US,
    WAITING_MAX,
    IssuerKeys,
    KeyFile,
    KeySourceError,
    KeyUrl,
)
from registry.errors import IssuerUnavailableError
from registry.testing.certificates import Authority
from registry.testing.clock import FixedClock
from registry.testing.issuer import IssuerSite, jwk_of, key_set, serving_keys
from registry.testing.trust import Published

NOW_US = FixedClock().now_us()
ISSUER = "https://issuer.example"


class Down(Published):
    """A source that cannot be reached while `down`."""

    down = False

    def read(self) -> bytes:
        document = super().read()
        if self.down:
            raise KeySourceError("down")
        return document


@pytest.fixture
def source() -> Down:
    return Down(key_set("ed25519"))


@pytest.fixture
def keys(source: Down) -> IssuerKeys:
    return IssuerKeys(ISSUER, source)


def test_forged_ids_do_not_hammer_the_issuer(source: Down, keys: IssuerKeys) -> None:
    """A thousand unknown ids within the pause are one look, and one more after it."""
    for number in range(1000):
        assert keys.find(f"forged-{number}", NOW_US) is None
    assert source.reads == 1
    for number in range(1000):
        assert keys.find(f"forged-{number}", NOW_US + PAUSE_US) is None
    assert source.reads == 2
    assert keys.find("ed25519", NOW_US + PAUSE_US) is not None


def test_keys_are_renewed_after_a_while(source: Down, keys: IssuerKeys) -> None:
    """A key that is no longer published is found no more, though nobody named an unknown one."""
    assert keys.find("ed25519", NOW_US) is not None
    source.document = key_set("ed25519-new")
    assert keys.find("ed25519", NOW_US + RENEW_US - 1) is not None
    assert source.reads == 1
    assert keys.find("ed25519", NOW_US + RENEW_US) is None
    assert keys.find("ed25519-new", NOW_US + RENEW_US) is not None


def test_last_good_keys_hold_while_the_issuer_is_down(source: Down, keys: IssuerKeys) -> None:
    """For a day; then nothing is known, and the error says so rather than refuse."""
    assert keys.find("ed25519", NOW_US) is not None
    source.down = True
    assert keys.find("ed25519", NOW_US + KEPT_US - 1) is not None
    with pytest.raises(IssuerUnavailableError):
        keys.find("ed25519", NOW_US + KEPT_US)
    source.down = False
    assert keys.find("ed25519", NOW_US + KEPT_US + PAUSE_US) is not None


def test_a_broken_document_replaces_nothing(source: Down, keys: IssuerKeys) -> None:
    """What is no key set is as if the issuer were down."""
    assert keys.find("ed25519", NOW_US) is not None
    source.document = b"<html>"
    assert keys.find("ed25519", NOW_US + RENEW_US) is not None
    assert source.reads == 2


def test_without_any_keys_the_issuer_is_unavailable(source: Down, keys: IssuerKeys) -> None:
    """The caller may retry; the issuer is not asked again before the pause is over."""
    source.down = True
    for _ in range(100):
        with pytest.raises(IssuerUnavailableError, match=ISSUER):
            keys.find("ed25519", NOW_US)
    assert source.reads == 1


def test_only_some_wait_for_a_slow_issuer() -> None:
    """Of many callers with an unknown key a few wait; the rest are answered at once, and callers
    with a known key are not held up."""
    entered, leave = threading.Event(), threading.Event()

    class Slow(Published):
        def read(self) -> bytes:
            document = super().read()
            if self.reads > 1:
                entered.set()
                leave.wait(30)
            return document

    keys = IssuerKeys(ISSUER, Slow(key_set("ed25519")))
    keys.load(NOW_US)
    waiting = [
        threading.Thread(target=keys.find, args=(f"new-{n}", NOW_US)) for n in range(WAITING_MAX)
    ]
    for thread in waiting:
        thread.start()
    assert entered.wait(30)
    try:
        assert keys.find("ed25519", NOW_US + RENEW_US) is not None
        # Those that wait hold all places, once each of them is there.
        while keys._waiting.acquire(blocking=False):
            keys._waiting.release()
        assert keys.find("unknown", NOW_US + RENEW_US) is None
    finally:
        leave.set()
        for thread in waiting:
            thread.join()


# --- Documents ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[]",
        b"{}",
        b'{"keys": {}}',
        b'{"keys": []}',
        b'{"keys": [], "keys": []}',
        json.dumps({"keys": [{"kid": "a"}] * (KEYS_MAX + 1)}).encode(),
        json.dumps({"keys": [jwk_of("ed25519"), jwk_of("ed25519")]}).encode(),
        json.dumps({"keys": [{"kty": "oct", "k": "AAAA", "kid": "shared"}]}).encode(),
    ],
)
def test_what_is_no_key_set_is_refused(document: bytes) -> None:
    """Neither nothing, nor too much, nor one id for two keys, nor keys that check nothing."""
    with pytest.raises(ValueError, match=r"."):
        read_key_set(document)


@pytest.mark.parametrize(
    "change",
    [
        {"use": "enc"},
        {"key_ops": ["sign"]},
        {"key_ops": 5},
        {"alg": "HS256"},
        {"alg": "none"},
        {"alg": "ES256"},
        {"alg": ["EdDSA"]},
        {"d": "AAAA"},
        {"kid": 5},
        {"kid": "../../x"},
        {"kid": None},
        {"kty": "EC"},
        {"kty": None},
        {"crv": "X25519"},
        {"x": "AA"},
        {"x": 7},
    ],
)
def test_a_key_that_cannot_check_tokens_is_left_out(change: dict[str, object]) -> None:
    """The others of its set are still there."""
    document = {"keys": [jwk_of("ed25519", **change), jwk_of("p256"), 7]}
    assert read_key_set(json.dumps(document).encode()).keys() == {"p256"}


def test_a_file_is_read_anew(tmp_path: Path) -> None:
    """What the operator puts there is found; what is missing or too large is told."""
    path = tmp_path / "keys.json"
    source = KeyFile(path)
    with pytest.raises(KeySourceError, match="cannot be read"):
        source.read()
    path.write_bytes(b"x" * DOCUMENT_BYTES_MAX)
    assert len(source.read()) == DOCUMENT_BYTES_MAX
    path.write_bytes(b"x" * (DOCUMENT_BYTES_MAX + 1))
    with pytest.raises(KeySourceError, match="more than"):
        source.read()


# --- Over HTTPS -----------------------------------------------------------------------------------


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[IssuerSite, KeyUrl]]:
    with serving_keys(tmp_path, key_set("ed25519")) as (site, authority):
        context = ssl.create_default_context(cafile=authority.certificate)
        yield site, KeyUrl(site.url, context)


def test_keys_come_over_https(served: tuple[IssuerSite, KeyUrl]) -> None:
    """From just the configured address."""
    site, source = served
    assert read_key_set(source.read()).keys() == {"ed25519"}
    assert site.asked == ["/keys"]


def _redirected(site: IssuerSite) -> None:
    site.status, site.headers = 302, {"Location": site.url + "/other"}


def _too_large(site: IssuerSite) -> None:
    site.body = b" " * (DOCUMENT_BYTES_MAX + 1)


def _failed(site: IssuerSite) -> None:
    site.status = 500


def _cut(site: IssuerSite) -> None:
    site.headers = {"Content-Length": str(len(site.body) + 10)}


@pytest.mark.parametrize("make", [_redirected, _too_large, _failed, _cut])
def test_other_answers_are_none(
    served: tuple[IssuerSite, KeyUrl], make: Callable[[IssuerSite], None]
) -> None:
    """No redirect is followed, no endless or half document taken."""
    site, source = served
    make(site)
    with pytest.raises(KeySourceError, match="https://127"):
        source.read()
    assert site.asked == ["/keys"]


def test_a_bomb_is_not_unpacked(served: tuple[IssuerSite, KeyUrl]) -> None:
    """What claims to be compressed is taken as it came, which is no key set."""
    site, source = served
    site.headers = {"Content-Encoding": "gzip"}
    site.body = b"\x1f\x8b\x08\x00"
    assert source.read() == site.body


def test_another_authority_is_not_trusted(
    served: tuple[IssuerSite, KeyUrl], tmp_path: Path
) -> None:
    """A certificate that somebody else signed ends it before anything is asked."""
    site, _ = served
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other")
    stranger = KeyUrl(site.url, ssl.create_default_context(cafile=other.certificate))
    with pytest.raises(KeySourceError, match="CERTIFICATE_VERIFY_FAILED"):
        stranger.read()
    assert site.asked == []


def test_nobody_listening_is_told(tmp_path: Path) -> None:
    """An address where nobody answers is an error of ours, not of the library."""
    with serving_keys(tmp_path, b"") as (site, _):
        url = site.url
    with pytest.raises(KeySourceError, match="https://127"):
        KeyUrl(url, ssl.create_default_context()).read()


@pytest.mark.slow
@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nX-A: ", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_a_trickle_ends(tmp_path: Path, said: bytes) -> None:
    """Who sends a byte now and then, in the head or the body, is waited for no longer than who
    sends nothing: no thread is held as long as they like."""
    authority = Authority(tmp_path)
    issued = authority.issue("127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.certificate, issued.key)
    ended = threading.Event()

    def trickle() -> None:
        # A client that hangs up is what is waited for.
        with suppress(OSError), context.wrap_socket(listening.accept()[0], server_side=True) as one:
            one.sendall(said)
            while not ended.wait(0.05):
                one.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = threading.Thread(target=trickle)
        server.start()
        try:
            url = f"https://127.0.0.1:{listening.getsockname()[1]}/keys"
            tls = ssl.create_default_context(cafile=authority.certificate)
            with pytest.raises(KeySourceError, match=r"not whole in 0\.5 s"):
                KeyUrl(url, tls, timeout_s=0.5).read()
        finally:
            ended.set()
            server.join()
