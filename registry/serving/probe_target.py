"""Which server is probed, and how to get at it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from registry.errors import InvalidFieldError
from registry.names.text import show

DEFAULT_PORT = 8001
_KEY = re.compile(r"[A-Za-z0-9._-]{1,100}")
#: What a header of HTTP/2 can carry as text.
_VALUE = re.compile(r"[!-~]([ -~]{0,998}[!-~])?")


@dataclass(frozen=True, kw_only=True)
class ProbeTarget:
    host: str
    port: int
    is_tls: bool = False
    #: In PEM. None: the authorities that come with gRPC.
    ca_file: Path | None = None
    #: Of the probe itself, both or none.
    certificate_file: Path | None = None
    key_file: Path | None = None
    #: Files with the keys of restricted protocols, by the name that the server gave them, such as
    #: `admin-key`. They are read when the probe begins, so that they may change.
    key_files: Mapping[str, Path] = field(default_factory=dict)
    #: A folder that the server takes models from, as it is reached from here: for models that are
    #: larger than a message.
    repository: Path | None = None
    #: Of a model's files: those that come with the request to load it. gRPC takes two gigabytes,
    #: proxies may take less.
    message_bytes_max: int = 1_900_000_000
    load_timeout_s: float = 300.0
    #: That of a model which is still being loaded comes after that.
    unload_timeout_s: float = 300.0
    infer_timeout_s: float = 60.0

    @property
    def address(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_url(url: str) -> tuple[str, int, bool]:
    """Host, port and whether TLS is spoken, of `grpc://HOST:PORT` or `grpcs://HOST:PORT`. Raises
    InvalidFieldError."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        fits = bool(host) and port != 0 and parts.scheme in ("grpc", "grpcs")
        fits = fits and parts.username is None and parts.path in ("", "/")
        fits = fits and not parts.query and not parts.fragment and url.isascii()
    except ValueError:
        fits = False
    if not fits:
        raise InvalidFieldError(
            field="probe",
            found=show(url),
            expected="grpc://HOST:PORT, or grpcs://HOST:PORT where it takes TLS",
            fix="Name the port that Triton takes gRPC at, 8001 where nothing else is said.",
        )
    return host, DEFAULT_PORT if port is None else port, parts.scheme == "grpcs"


def check_key_name(name: str) -> str:
    """A restricted protocol's key as the server names it. Raises InvalidFieldError."""
    if not _KEY.fullmatch(name):
        raise InvalidFieldError(
            field="probe_key",
            found=show(name),
            expected="letters, digits, '.', '_' and '-'",
            fix="Name the key as --grpc-restricted-protocol does at the server's start.",
        )
    return name


def headers_of(key_files: Mapping[str, Path]) -> Mapping[str, str]:
    """As Triton wants them. OSError for a file that cannot be read, ValueError with its path, and
    nothing of what is in it, for one that holds no key."""
    headers = {}
    for name, path in key_files.items():
        value = path.read_text(encoding="utf-8", errors="replace").strip()
        if not _VALUE.fullmatch(value):
            raise ValueError(f"{path} holds no key in one line of plain text")
        headers[f"triton-grpc-protocol-{name.lower()}"] = value
    return headers
