"""Secrets that are recognised wherever they come out, and the search for them.

A canary is found by any stretch of 18 characters of it, since a message that is cut leaks as well,
and in each form that text takes on its way: as it is, in base64, in hex, percent-encoded.
"""

from __future__ import annotations

import base64
import gc
import secrets
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

#: Any two secrets of the same kind begin alike; what they have in common gives nothing away.
_PREFIXES = (b"hm_", b"whsec_")
_PIECE = 12
_STEP = 6
_SHORTEST = 24
_AT_ONCE = 50_000
#: Whose objects are not asked: tests', and protobuf's, which are what was sent and nobody shows.
_OTHERS = ("registry.testing", "registry.v1")


@dataclass(frozen=True, kw_only=True)
class Leak:
    """A canary, the form in which it was found, and where."""

    canary: str
    form: str
    place: str

    def __str__(self) -> str:
        return f"{self.canary}, {self.form}, in {self.place}"


class Canaries:
    """Secrets by name. What is heard is kept until the end: who knows what comes to be secret."""

    def __init__(self) -> None:
        self._secrets: dict[str, dict[str, tuple[bytes, ...]]] = {}
        self._heard: list[tuple[str, bytes, frozenset[str]]] = []

    @property
    def names(self) -> Collection[str]:
        return self._secrets.keys()

    def make(self, name: str) -> str:
        """A password that nobody else has, with characters that are written in many ways."""
        return self.add(name, f"{secrets.token_hex(16)}&\"'+é")

    def make_word(self, name: str) -> str:
        """The same of letters and digits alone."""
        return self.add(name, secrets.token_hex(16))

    def add(self, name: str, secret: str) -> str:
        self.add_bytes(name, secret.encode())
        return secret

    def add_bytes(self, name: str, secret: bytes) -> None:
        core = secret
        for prefix in _PREFIXES:
            core = core.removeprefix(prefix)
        if len(core) < _SHORTEST:
            raise ValueError(f"{name} is too short to be told from what comes by chance")
        known = self._secrets.setdefault(name, {})
        for form, texts in _forms(core):
            pieces = {piece for text in texts for piece in _pieces(text)}
            known[form] = tuple({*known.get(form, ()), *pieces})

    def hear(self, place: str, said: str | bytes, *, but: Iterable[str] = ()) -> None:
        """Keep what was said somewhere; `but` are the canaries that belong there."""
        data = said.encode(errors="surrogatepass") if isinstance(said, str) else said
        self._heard.append((place, data, frozenset(but)))

    def leaks(self) -> list[Leak]:
        """Each canary that was heard where it does not belong."""
        known: dict[bytes, set[tuple[str, str]]] = {}
        for name, forms in self._secrets.items():
            for form, pieces in forms.items():
                for piece in pieces:
                    known.setdefault(piece, set()).add((name, form))
        found = {
            Leak(canary=name, form=form, place=place): None
            for place, data, but in self._heard
            for windows in _windows(data)
            for piece in known.keys() & windows
            for name, form in sorted(known[piece])
            if name not in but
        }
        return list(found)

    def hear_objects(self) -> None:
        """Hear how everything of ours that lives in this process shows itself."""
        # What was cut off while it was made hangs in the frames of its error.
        gc.collect()
        shown: dict[str, set[str]] = {}
        for each in gc.get_objects():
            kind = type(each)
            home = str(kind.__module__)
            if home.startswith("registry.") and not home.startswith(_OTHERS):
                shown.setdefault(f"{home}.{kind.__name__}", set()).add(repr(each))
        for name, texts in shown.items():
            self.hear(f"repr of {name}", "\n".join(texts))


def _forms(core: bytes) -> Iterator[tuple[str, list[bytes]]]:
    yield "plain", [core, repr(core)[2:-1].encode()]
    # Where a secret begins within three bytes decides on its letters.
    shifted = [base64.b64encode(b"\0" * shift + core) for shift in range(3)]
    clean = [text[4 if shift else 0 : -4] for shift, text in enumerate(shifted)]
    yield "base64", [*clean, *(text.translate(_URLSAFE) for text in clean)]
    yield "hex", [core.hex().encode(), core.hex().upper().encode()]
    percent = "".join(f"%{byte:02X}" for byte in core).encode()
    yield "percent-encoded", [percent, percent.lower()]


_URLSAFE = bytes.maketrans(b"+/", b"-_")


def _windows(data: bytes) -> Iterator[set[bytes]]:
    """All windows of a text, many in one set: thousands of pieces are looked for at once."""
    last = len(data) - _PIECE
    for first in range(0, last + 1, _AT_ONCE):
        starts = range(first, min(first + _AT_ONCE, last + 1))
        yield {data[start : start + _PIECE] for start in starts}


def _pieces(text: bytes) -> Iterator[bytes]:
    for start in range(0, len(text) - _PIECE + 1, _STEP):
        yield text[start : start + _PIECE]
