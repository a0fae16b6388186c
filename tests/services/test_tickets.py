"""Tickets: what was signed is read back, and nothing else is."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import hmac
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import StartError, TicketError
from registry.services.tickets import DownloadTicket, TicketSigner, UploadTicket
from registry.testing.clock import FixedClock

CLOCK = FixedClock()
SIGNER = TicketSigner(key=b"k" * 32, clock=CLOCK)
DOWNLOAD = DownloadTicket(
    principal="ada",
    token="t1",
    model="fraud/scorer",
    number=7,
    version_key=3,
    digest="sha256:" + "a" * 64,
    by_digest=True,
    triton="25.10",
    sha256="b" * 64,
    size_bytes=10,
    media_type="application/x-onnx",
    filename="modèle.onnx",
    batch="c" * 32,
    expire_time_us=CLOCK.now_us() + 1000,
)
UPLOAD = UploadTicket(
    principal="ada",
    token="t1",
    upload="u1",
    sha256="b" * 64,
    expire_time_us=CLOCK.now_us() + 1000,
)


def payload_of(ticket: str) -> list[object]:
    body = ticket.split(".")[1]
    values: list[object] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return values


def pack(values: list[object]) -> str:
    text = json.dumps(values, separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def forgeries() -> dict[str, str]:
    """Tickets that look like DOWNLOAD's and must not pass."""
    good = SIGNER.sign(DOWNLOAD)
    kind, body, signature = good.split(".")
    made = {
        "nothing": "",
        "dots": "..",
        "no signature": f"{kind}.{body}.",
        "signature missing": f"{kind}.{body}",
        "payload missing": f"{kind}..{signature}",
        "kind missing": f".{body}.{signature}",
        "cut at the end": good[:-1],
        "cut in half": good[: len(good) // 2],
        "one more character": good + "A",
        "padded": good + "=",
        "blank before": " " + good,
        "line break behind": good + "\n",
        "not ASCII": good + "é",
        "surrogate": good + "\ud800",
        "very long": good + "A" * 5000,
        "other kind": f"u1.{body}.{signature}",
        "other version": f"d2.{body}.{signature}",
        "upper case": good.upper(),
        "other spelling of the signature": f"{kind}.{body}.{signature[:-1]}"
        + ("B" if signature[-1] != "B" else "C"),
        "unkeyed hash": f"{kind}.{body}."
        + base64.urlsafe_b64encode(hashlib.sha256(f"{kind}.{body}".encode()).digest())
        .decode()
        .rstrip("="),
        "the key itself, not the derived one": f"{kind}.{body}."
        + base64.urlsafe_b64encode(hmac.digest(b"k" * 32, f"{kind}.{body}".encode(), "sha256"))
        .decode()
        .rstrip("="),
        "other key": TicketSigner(key=b"x" * 32, clock=CLOCK).sign(DOWNLOAD),
        "upload ticket": SIGNER.sign(UPLOAD),
        "expired": SIGNER.sign(dataclasses.replace(DOWNLOAD, expire_time_us=CLOCK.now_us())),
        "long expired": SIGNER.sign(dataclasses.replace(DOWNLOAD, expire_time_us=0)),
    }
    changes: dict[str, object] = {
        "principal": "eve",
        "token": "t2",
        "model": "secret/model",
        "number": 8,
        "version_key": 4,
        "digest": "sha256:" + "0" * 64,
        "by_digest": False,
        "sha256": "0" * 64,
        "size_bytes": 11,
        "media_type": "text/html",
        "filename": "x",
        "batch": "0" * 32,
        "expire_time_us": 2**60,
    }
    fields = [field.name for field in dataclasses.fields(DownloadTicket)]
    for field, value in changes.items():
        values = payload_of(good)
        values[fields.index(field)] = value
        made[f"changed {field}"] = f"{kind}.{pack(values)}.{signature}"
    made["a field less"] = f"{kind}.{pack(payload_of(good)[:-1])}.{signature}"
    made["a field more"] = f"{kind}.{pack([*payload_of(good), 1])}.{signature}"
    return made


@pytest.mark.parametrize(("name", "forged"), forgeries().items(), ids=lambda value: value[:40])
def test_forged_foreign_and_expired_tickets_are_refused(name: str, forged: str) -> None:
    """No ticket passes that was changed, cut, made elsewhere, for something else, or is over."""
    with pytest.raises(TicketError):
        SIGNER.read(forged, DownloadTicket)


def test_there_are_many_forgeries() -> None:
    """The list above is no short one."""
    assert len(forgeries()) >= 30


def test_no_single_bit_can_be_flipped() -> None:
    """Every ticket that differs from a good one in one bit is refused."""
    good = SIGNER.sign(UPLOAD)
    for place, character in enumerate(good):
        for bit in range(7):
            flipped = good[:place] + chr(ord(character) ^ (1 << bit)) + good[place + 1 :]
            with pytest.raises(TicketError):
                SIGNER.read(flipped, UploadTicket)


def test_download_tickets_send_nothing_and_upload_tickets_fetch_nothing() -> None:
    """A ticket is good for its own kind only."""
    with pytest.raises(TicketError, match="something else"):
        SIGNER.read(SIGNER.sign(DOWNLOAD), UploadTicket)


@given(
    st.builds(
        DownloadTicket,
        principal=st.text(max_size=128),
        token=st.text(max_size=128),
        model=st.text(max_size=256),
        number=st.integers(1, 2**53),
        version_key=st.integers(1, 2**63),
        digest=st.text(max_size=71),
        by_digest=st.booleans(),
        sha256=st.text(max_size=64),
        size_bytes=st.integers(0, 2**50),
        media_type=st.text(max_size=128),
        filename=st.text(st.characters(max_codepoint=0xD7FF), max_size=80),
        batch=st.text(max_size=32),
        expire_time_us=st.integers(CLOCK.now_us() + 1, 2**60),
    )
)
def test_what_was_signed_is_read_back(ticket: DownloadTicket) -> None:
    """read(sign(ticket)) == ticket, and the text is good for an address as it is."""
    text = SIGNER.sign(ticket)
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")
    if len(text) <= 4096:
        assert SIGNER.read(text, DownloadTicket) == ticket


@given(st.text())
def test_no_text_crashes_the_reader(text: str) -> None:
    """Any text whatever is refused as a ticket that we did not sign."""
    with pytest.raises(TicketError):
        SIGNER.read(text, DownloadTicket)


def test_a_weak_key_is_refused() -> None:
    """A key of fewer than 32 bytes stops the start."""
    with pytest.raises(StartError):
        TicketSigner(key=b"k" * 31, clock=CLOCK)
