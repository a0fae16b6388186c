"""Evidence in files: checkpoints and proofs that were kept elsewhere, read and judged offline."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from registry.auth.signing import parse_public_pem, verify
from registry.domain.notes import split_notes
from registry.domain.proofs import Proven, check_proof
from registry.errors import InvalidFieldError

FILE_BYTES_MAX = 50_000_000


@dataclass(kw_only=True)
class Evidence:
    """What files hold: notes of checkpoints, and proofs by the file that each is in."""

    notes: list[str] = field(default_factory=list)
    proofs: list[tuple[str, dict[str, Any]]] = field(default_factory=list)


def read_evidence(paths: Iterable[Path]) -> Evidence:
    """By what is in them, whatever their names. InvalidFieldError for a file that is neither."""
    found = Evidence()
    for path in paths:
        text = _text(path)
        if not text.lstrip().startswith("{"):
            found.notes += split_notes(text)
            continue
        try:
            content = json.loads(text)
        except (ValueError, RecursionError) as cause:
            raise _refusal(path, "no JSON") from cause
        found.proofs.append((str(path), content))
    return found


def read_public_keys(path: Path) -> tuple[str, ...]:
    """The keys (64 hex) in a PEM file."""
    try:
        return parse_public_pem(_text(path).encode())
    except ValueError as cause:
        raise InvalidFieldError(
            field=str(path),
            found="no Ed25519 public key",
            expected="one or more PEM blocks, as hallmark audit keys prints them",
            fix="Give the file of the public keys.",
        ) from cause


def judge(proof: dict[str, Any], believed: Collection[str]) -> Proven:
    """As check_proof, with nothing but these keys."""
    return check_proof(proof, believed, verify)


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise _refusal(path, f"more than {FILE_BYTES_MAX} bytes")
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as cause:
        raise _refusal(path, "no UTF-8") from cause
    except OSError as cause:
        raise _refusal(path, cause.strerror or type(cause).__name__) from cause


def _refusal(path: Path, found: str) -> InvalidFieldError:
    return InvalidFieldError(
        field=str(path),
        found=found,
        expected="a file of hallmark audit checkpoint or hallmark audit prove",
        fix="Give the file as it was written, unchanged.",
    )
