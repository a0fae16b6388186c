"""Small folders that take vetting long: of hostile files, and of ordinary ones. Each number gives
bytes of its own, so that nothing is known of them yet."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path

from registry.testing.sound import weights

_DOUBLINGS = 20_000
_ROWS = 10_000
_WEIGHTS_BYTES = 16_000_000


def hostile(folder: Path, number: int) -> None:
    """Files each of which would take memory or time without end from who does not count: one that
    unpacks to a thousand times its size, depth, a graph that doubles with each step, a length of
    gigabytes, a list of many entries in the slowest of the formats."""
    fresh = str(number).encode()
    with zipfile.ZipFile(folder / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("number.txt", fresh)
        out.writestr("data.json", b"[" + b" " * 100_000_000 + b"]")
    (folder / "deep.json").write_bytes(b"[" * 5_000_000 + fresh)
    (folder / "doubling.pkl").write_bytes(_doubling(fresh))
    (folder / "long.safetensors").write_bytes((2**33).to_bytes(8, "little") + b"{" + fresh)
    (folder / "many.yaml").write_bytes(b"a: [" + b"1," * 50_000 + fresh + b"]")


def _doubling(fresh: bytes) -> bytes:
    """A pickle of a pair of twice the same pair of twice the same pair, and so on."""
    word = b"X" + len(fresh).to_bytes(4, "little") + fresh + b"\x94"
    gets = (b"j" + step.to_bytes(4, "little") for step in range(_DOUBLINGS))
    return b"\x80\x04" + word + b"".join(get + get + b"\x86\x94" for get in gets) + b"."


def ordinary(folder: Path, number: int) -> None:
    """A card, weights, and a pickle of small objects."""
    (folder / "README.md").write_bytes(b"# Model %d\n" % number)
    data = (b"%d " % number).ljust(_WEIGHTS_BYTES, b".")
    (folder / "model.safetensors").write_bytes(weights(data))
    rows = [{f"{number}-{row}": row} for row in range(_ROWS)]
    (folder / "rows.pkl").write_bytes(pickle.dumps(rows))
