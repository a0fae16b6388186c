"""People as the company's directory knows them, and how that directory is to be asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

USER_LENGTH_MAX = 128
PASSWORD_BYTES_MAX = 1024
#: Accounts that are looked up at once.
LOOK_UP_MAX = 100


@dataclass(frozen=True, kw_only=True)
class Account:
    """A person in the directory, as read at a moment."""

    #: Never given to anybody else, unlike a name: entryUUID, objectGUID.
    stable_id: str
    #: The name that people log in with, as the directory writes it.
    user: str
    display_name: str
    mail: str
    #: By name, nested ones included, sorted.
    groups: tuple[str, ...]
    #: Disabled, or past its end.
    disabled: bool
    read_time_us: int


@dataclass(frozen=True, kw_only=True)
class LookedUp:
    """What a look for several accounts came to, by stable id. Who is in neither is gone."""

    accounts: Mapping[str, Account]
    #: Those of whom nothing can be concluded, and why.
    unclear: Mapping[str, str]


class Standing(StrEnum):
    """What the directory said of an account when it was last asked."""

    ACTIVE = "active"
    DISABLED = "disabled"
    GONE = "gone"


@dataclass(frozen=True, kw_only=True)
class DirectoryAccount:
    """What binds a principal to the directory, and what was last read there."""

    key: int
    principal_key: int
    #: The principal's id.
    principal: str
    directory: str
    stable_id: str
    user: str
    groups: tuple[str, ...]
    standing: Standing
    #: When all of this was read in the directory.
    read_time_us: int
    #: From where the password was last right; see services/login_throttle.py.
    address: str
    create_time_us: int


@dataclass(frozen=True, kw_only=True)
class Step:
    """One thing that `hallmark auth test` tried."""

    name: str
    #: Exactly what was asked for.
    query: str
    ok: bool
    #: What came back.
    found: str
    #: How to mend it; empty where it is well.
    fix: str = ""


@dataclass(frozen=True, kw_only=True)
class LdapSettings:
    """How an LDAP directory is asked. Without `urls` there is none."""

    urls: tuple[str, ...] = ()
    ca_file: Path | None = None
    start_tls: bool = True
    allow_plain: bool = False
    bind_dn: str = ""
    bind_password_file: Path | None = None
    user_base: str = ""
    user_filter: str = "(objectClass=person)"
    user_attribute: str = ""
    id_attribute: str = ""
    disabled_filter: str = ""
    group_base: str = ""
    group_filter: str = ""
    member_attribute: str = "member"
    active_directory: bool = False
    cache_s: int = 60
    #: Connecting, and each answer.
    timeout_s: int = field(default=5, repr=False)

    @property
    def name(self) -> str:
        """What accounts are bound to. There is one directory, whatever its servers."""
        return "ldap"

    @property
    def login_attribute(self) -> str:
        return self.user_attribute or ("sAMAccountName" if self.active_directory else "uid")

    @property
    def stable_attribute(self) -> str:
        return self.id_attribute or ("objectGUID" if self.active_directory else "entryUUID")

    @property
    def groups_filter(self) -> str:
        by_default = "(objectClass=group)" if self.active_directory else "(objectClass=*)"
        return self.group_filter or by_default

    @property
    def plain_urls(self) -> tuple[str, ...]:
        """Those on which passwords travel unencrypted."""
        return tuple(url for url in self.urls if url.startswith("ldap:") and not self.start_tls)

    def problems(self) -> list[str]:
        """All that is wrong, each with setting, value and expectation."""
        if not self.urls:
            return []
        found = [
            f"HALLMARK_LDAP_{name}: found nothing, expected {expected}"
            for name, value, expected in (
                ("USER_BASE", self.user_base, "the DN below which people are"),
                ("BIND_DN", self.bind_dn, "the DN of the account that searches"),
                ("BIND_PASSWORD_FILE", self.bind_password_file, "the file of that one's password"),
            )
            if not value
        ]
        for name, text in (
            ("USER_FILTER", self.user_filter),
            ("GROUP_FILTER", self.groups_filter),
            ("DISABLED_FILTER", self.disabled_filter or "()"),
        ):
            if not _is_filter(text):
                found.append(
                    f"HALLMARK_LDAP_{name}: found {text!r}, expected a filter in parentheses"
                )
        for url in self.plain_urls:
            if not self.allow_plain or not is_loopback(urlsplit(url).hostname or ""):
                found.append(
                    f"HALLMARK_LDAP_URLS: found {url} with HALLMARK_LDAP_START_TLS=no, on which "
                    "passwords travel in the clear; expected ldaps:// or StartTLS (only on "
                    "loopback, HALLMARK_LDAP_ALLOW_PLAIN=yes lets it be)"
                )
        return found


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_filter(text: str) -> bool:
    """Whether parentheses enclose all of it and match, as far as that tells."""
    depth = 0
    for place, character in enumerate(text):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth <= 0 and place < len(text) - 1:
            return False
    return depth == 0 and text.startswith("(")
