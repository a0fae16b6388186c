"""What a setting's text may be: each function returns its value, or raises ValueError."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from registry.board import PLACES
from registry.config.settings import Address
from registry.names.addresses import Network

#: What a database's whole numbers hold.
COUNT_MAX = 2**63 - 1
LOG_LEVELS = ("debug", "info", "warning", "error")


def address(text: str) -> Address:
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        raise ValueError(text)
    return Address(host=host, port=int(port))


def url(text: str) -> str:
    parts = urlsplit(text)
    if text and (parts.scheme not in ("http", "https") or not parts.hostname or parts.query):
        raise ValueError(text)
    return text.rstrip("/")


def target(text: str) -> str:
    if text:
        address(text)
    return text


def database(text: str) -> str:
    if not text.startswith(("sqlite:///", "postgresql+psycopg://")):
        raise ValueError(text)
    return text


def whole(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isascii() or not text.isdecimal() or not least <= int(text) <= most:
            raise ValueError(text)
        return int(text)

    return parse


def processes(text: str) -> int | None:
    return whole(1, PLACES)(text) if text else None


def networks(text: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())


def log_level(text: str) -> str:
    if text not in LOG_LEVELS:
        raise ValueError(text)
    return text


def prefix(text: str) -> str:
    if text and not (text.startswith("/") and text.endswith("/")):
        raise ValueError(text)
    return text


def path(text: str) -> Path:
    if not text or "\0" in text:
        raise ValueError(text)
    return Path(text).expanduser().absolute()


def optional_path(text: str) -> Path | None:
    return path(text) if text else None


def ldap_urls(text: str) -> tuple[str, ...]:
    urls = tuple(text.split())
    for each in urls:
        parts = urlsplit(each)
        beyond = parts.path.strip("/") or parts.query or parts.fragment or parts.username
        # Asking for a port that is no number raises ValueError.
        if parts.scheme not in ("ldap", "ldaps") or not parts.hostname or beyond or parts.port == 0:
            raise ValueError(text)
    return urls


def yes(text: str) -> bool:
    if text not in ("yes", "no"):
        raise ValueError(text)
    return text == "yes"


def attribute(text: str) -> str:
    if text and not re.fullmatch(r"[A-Za-z][A-Za-z0-9;.-]{0,127}", text):
        raise ValueError(text)
    return text
