"""Signed notes: a text and, below it, signatures by named keys (C2SP signed-note, v1).

    hallmark.checkpoint.v1
    {...}

    \N{EM DASH} hallmark-audit 8Jv1...

A line of a signature is an em dash, the key's name, and in base64 the first four bytes of
sha256(name, newline, 0x01, public key), then the Ed25519 signature of the text up to and with its
last newline. So the tools that are made for such notes check them too.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass

from registry.errors import InvalidFieldError
from registry.names.text import show

#: Notes of all registries are signed under this name; keys differ.
KEY_NAME = "hallmark-audit"
NOTE_LENGTH_MAX = 20_000
_ED25519 = b"\x01"
_DASH = "\N{EM DASH} "


@dataclass(frozen=True, kw_only=True)
class Note:
    """`text` ends with a newline; it is what is signed, as UTF-8."""

    text: str
    hint: bytes
    signature: bytes

    @property
    def hash(self) -> str:
        """64 hex: sha256 of the signed text."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def __str__(self) -> str:
        encoded = base64.b64encode(self.hint + self.signature).decode()
        return f"{self.text}\n{_DASH}{KEY_NAME} {encoded}\n"


def key_hint(public_key: bytes) -> bytes:
    """Four bytes by which a signature's line tells which key made it."""
    return hashlib.sha256(KEY_NAME.encode() + b"\n" + _ED25519 + public_key).digest()[:4]


def verifier_key(public_key: bytes) -> str:
    """The key as tools for signed notes take it."""
    encoded = base64.b64encode(_ED25519 + public_key).decode()
    return f"{KEY_NAME}+{key_hint(public_key).hex()}+{encoded}"


def public_pem(public_key: str) -> str:
    """A key (64 hex) as a PEM file (RFC 8410, section 4)."""
    encoded = base64.b64encode(bytes.fromhex("302a300506032b6570032100" + public_key)).decode()
    return f"-----BEGIN PUBLIC KEY-----\n{encoded}\n-----END PUBLIC KEY-----\n"


def parse_note(text: str) -> Note:
    """Law: `parse_note(str(note)) == note`, and `str(parse_note(text)) == text`.

    Raises InvalidFieldError for all else, a note with several signatures included.
    """
    body, found, line = text.rpartition(f"\n\n{_DASH}")
    name, _, encoded = line.removesuffix("\n").partition(" ")
    try:
        raw = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    note = Note(text=f"{body}\n", hint=raw[:4], signature=raw[4:])
    is_whole = found and body and name == KEY_NAME and len(raw) == 4 + 64 and _DASH not in body
    if len(text) > NOTE_LENGTH_MAX or not is_whole or str(note) != text:
        raise InvalidFieldError(
            field="checkpoint",
            found=show(text[:60]),
            expected="a note with one signature, as hallmark audit checkpoint prints it",
            fix="Give the file as it was exported, unchanged.",
        )
    return note


def split_notes(text: str) -> list[str]:
    """Notes that were appended to each other, one by one; what is behind the last stays with it."""
    notes: list[str] = []
    current: list[str] = []
    for line in text.splitlines(keepends=True):
        current.append(line)
        if line.startswith(_DASH):
            notes.append("".join(current))
            current = []
    if "".join(current).strip():
        notes.append("".join(current))
    return notes
