"""Where the client finds address and token: arguments, environment, what `hallmark login` stored.

In this order, the first that says something:

    address   argument, HALLMARK_URL, the server last logged in to, http://127.0.0.1:8080
    token     argument, HALLMARK_TOKEN, the file HALLMARK_TOKEN_FILE, what is stored for the address

The store is `credentials.json` in `~/.config/hallmark` (XDG_CONFIG_HOME; HALLMARK_CONFIG names
another folder), readable by its owner alone. Only this module reads the client's environment.
"""

from __future__ import annotations

import json
import os
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from registry.client.errors import SetupError
from registry.errors.redaction import without_user

DEFAULT_URL = "http://127.0.0.1:8080"
SCHEMA = "hallmark.credentials.v1"
SCHEMES = ("http", "https", "grpc", "grpcs")
#: As much as a platform's token may have, and the end of its line.
TOKEN_BYTES_MAX = 16_400


@dataclass(frozen=True, kw_only=True)
class StoredLogin:
    """What is kept of one server."""

    token: str = field(repr=False)
    principal: str = ""
    expire_time: str = ""


@dataclass(frozen=True, kw_only=True)
class Logins:
    """The store's content: logins by address, and the address used when none is said."""

    current: str = ""
    servers: Mapping[str, StoredLogin] = field(default_factory=dict)

    def with_login(self, url: str, login: StoredLogin) -> Logins:
        return replace(self, current=url, servers={**self.servers, url: login})

    def without(self, url: str) -> Logins:
        servers = {key: login for key, login in self.servers.items() if key != url}
        current = "" if self.current == url else self.current
        return Logins(current=current, servers=servers)


@dataclass(frozen=True, kw_only=True)
class Access:
    """Address, token (empty: none) and the authority's certificate (None: the system's)."""

    url: str
    token: str = field(repr=False)
    ca_file: Path | None = None
    #: Where the token was read; None where it came from elsewhere.
    token_file: Path | None = None

    def fresh_token(self) -> str:
        """The token as it is now: its file may have been renewed. SetupError as `find_access`."""
        return self.token if self.token_file is None else token_in_file(self.token_file)


def find_access(
    *, url: str = "", token: str | None = None, environment: Mapping[str, str] | None = None
) -> Access:
    """Address and token for a client, in the order described above. `token=""`: go without.

    Raises SetupError where an address is malformed or a file cannot be read.
    """
    env = os.environ if environment is None else environment
    ca_file = Path(env["HALLMARK_CA_FILE"]) if env.get("HALLMARK_CA_FILE") else None
    if not url:
        url = env.get("HALLMARK_URL") or ""
    # The store is not touched where nothing is wanted of it: a broken one must not stop a robot.
    stored = None
    if not url:
        stored = load_logins(store_path(env))
        url = stored.current or DEFAULT_URL
    url = checked_url(url)
    token_file = None
    if token is None:
        token = env.get("HALLMARK_TOKEN") or None
    if token is None and env.get("HALLMARK_TOKEN_FILE"):
        token_file = Path(env["HALLMARK_TOKEN_FILE"])
        token = token_in_file(token_file)
    if token is None:
        stored = load_logins(store_path(env)) if stored is None else stored
        login = stored.servers.get(url)
        token = login.token if login else ""
    return Access(url=url, token=_checked_token(token), ca_file=ca_file, token_file=token_file)


def checked_url(url: str) -> str:
    """The address without what is not its own: `scheme://host[:port]`.

    Raises SetupError for anything but http, https, grpc and grpcs, or with a path or password.
    """
    url = url if "://" in url else f"http://{url}"
    parts = urlsplit(url)
    # What may be a secret is not shown.
    shown = without_user(url.partition("?")[0].partition("#")[0])
    try:
        port = parts.port
    except ValueError:
        port = 0
    bad = parts.scheme not in SCHEMES or not parts.hostname or port == 0
    if bad or parts.username or parts.path.strip("/") or parts.query or parts.fragment:
        raise SetupError(
            f"The server's address: found {shown!r}, expected {', '.join(SCHEMES)} and host, such "
            f"as {DEFAULT_URL}, and nothing else. Give it as argument or in HALLMARK_URL.",
            metadata={"url": shown},
        )
    if parts.scheme in ("grpc", "grpcs") and port is None:
        raise SetupError(
            f"The server's address: found {url!r} without a port, expected {url}:8081 or the like. "
            "Name the port on which gRPC listens.",
            metadata={"url": url},
        )
    return f"{parts.scheme}://{parts.netloc.lower()}"


def keeps_secrets(url: str) -> bool:
    """Whether what is sent to this address can be read by nobody on the way."""
    parts = urlsplit(url)
    if parts.scheme in ("https", "grpcs"):
        return True
    host = parts.hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def token_in_file(path: Path) -> str:
    """The token that a file holds, white space around it dropped; else SetupError."""
    try:
        with path.open("rb") as file:
            data = file.read(TOKEN_BYTES_MAX + 1)
    except OSError as cause:
        raise SetupError(
            f"The token file {path}: found no way to read it ({cause.strerror}). "
            "Check HALLMARK_TOKEN_FILE or --token-file, and the file's permissions.",
            metadata={"path": str(path)},
        ) from cause
    if not data.strip() or len(data) > TOKEN_BYTES_MAX:
        found = "nothing" if not data.strip() else f"more than {TOKEN_BYTES_MAX} bytes"
        raise SetupError(
            f"The token file {path}: found {found}, expected one token.",
            metadata={"path": str(path)},
        )
    return _checked_token(data.decode(errors="replace").strip())


def _checked_token(token: str) -> str:
    token = token.strip()
    if not token.isascii() or not all(c.isprintable() and c != " " for c in token):
        raise SetupError(
            "The token: found characters that no token has, expected hm_ and letters and digits, "
            "or a platform's token: three parts with dots between. "
            "Copy it again, in one piece.",
        )
    return token


def exchanged_folder(environment: Mapping[str, str] | None = None) -> Path:
    """Where the command line keeps what it got for platforms' tokens; see `workloads.py`."""
    return store_path(environment).parent / "exchanged"


# --- The store ------------------------------------------------------------------------------------


def store_path(environment: Mapping[str, str] | None = None) -> Path:
    """Where logins are kept."""
    env = os.environ if environment is None else environment
    if folder := env.get("HALLMARK_CONFIG"):
        return Path(folder) / "credentials.json"
    base = env.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
    return Path(base) / "hallmark" / "credentials.json"


def load_logins(path: Path) -> Logins:
    """What is stored; nothing where there is no store.

    Raises SetupError where others may read it, or it is not ours to understand.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read()
    except FileNotFoundError:
        return Logins()
    except OSError as cause:
        raise _store_error(path, f"no way to read it ({cause.strerror})") from cause
    if stat.S_IMODE(mode) & 0o077:
        found = f"mode {stat.S_IMODE(mode):04o}, which lets others read your tokens"
        raise _store_error(path, found, f"Run: chmod 600 {path}")
    try:
        stored = json.loads(text)
        if stored["schema"] != SCHEMA:
            raise _store_error(path, f"schema {stored['schema']!r}, expected {SCHEMA}")
        servers = {url: StoredLogin(**login) for url, login in stored["servers"].items()}
        return Logins(current=stored["current"], servers=servers)
    except (ValueError, TypeError, KeyError, AttributeError) as cause:
        raise _store_error(path, f"what is no store ({cause})") from cause


def save_logins(path: Path, logins: Logins) -> None:
    """Replace the store as a whole; it is never there half-written or readable by others."""
    content = {
        "schema": SCHEMA,
        "current": logins.current,
        "servers": {url: vars(login) for url, login in logins.servers.items()},
    }
    try:
        replace_private(path, json.dumps(content, indent=2) + "\n")
    except OSError as cause:
        raise _store_error(path, f"no way to write it ({cause.strerror})") from cause


def replace_private(path: Path, text: str) -> None:
    """Write a file as a whole: never there half-written or readable by others. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # mkstemp's files are readable by their owner alone.
    handle, temporary = tempfile.mkstemp(prefix=".credentials.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _store_error(path: Path, found: str, fix: str = "") -> SetupError:
    fix = fix or "Mend or remove it, then: hallmark login URL"
    return SetupError(
        f"The stored logins {path}: found {found}. {fix}", metadata={"path": str(path)}
    )
