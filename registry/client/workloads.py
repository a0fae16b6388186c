"""A platform's token (OIDC) in place of one of ours: exchanged by itself, and again before it ends.

The result is kept in memory. The command line also keeps it in a file beside the stored logins,
readable by its owner alone and named by a hash of server and platform token, so that a pipeline of
many commands exchanges once. Where that folder cannot be written, every command exchanges.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import json
import os
import re
import stat
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from registry.client.credentials import Access, replace_private

#: What is left of a token's life when it counts as ended: a call in progress is not to be cut off.
MARGIN_S = 30.0
SCHEMA = "hallmark.exchanged.v1"
KEPT_BYTES_MAX = 16_384
_PLATFORM_TOKEN = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")


@dataclass(frozen=True, kw_only=True)
class Exchanged:
    """What the server gave for a platform's token."""

    secret: str = field(repr=False)
    expire_time_s: float


def is_platform_token(token: str) -> bool:
    """Whether this is a signed token of a platform: three parts, the first a JSON object."""
    if not _PLATFORM_TOKEN.fullmatch(token):
        return False
    header = token.partition(".")[0]
    try:
        return isinstance(
            json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4))), dict
        )
    except (ValueError, binascii.Error):
        return False


class Bearer:
    """The credential that calls carry. Threads share one.

    `exchange` asks the server; `folder` is where results outlive this process, None: nowhere.
    """

    def __init__(
        self,
        access: Access,
        exchange: Callable[[str], Exchanged],
        *,
        folder: Path | None = None,
    ) -> None:
        self._access = access
        self._exchange = exchange
        self._folder = folder
        #: The platform's token, and what it was exchanged for.
        self._held: tuple[str, Exchanged] | None = None
        #: Whether the token is a platform's, which is to be exchanged.
        self.is_exchanged = is_platform_token(access.token)
        self._lock = threading.Lock()

    def secret(self) -> str:
        """What to send now; empty: nothing. Raises what the exchange raises."""
        if not self.is_exchanged:
            return self._access.token
        held = self._held
        if held is not None and _lives(held[1]):
            return held[1].secret
        with self._lock:
            held = self._held
            if held is None or not _lives(held[1]):
                held = self._held = self._renewed()
            return held[1].secret

    def refused(self, secret: str) -> bool:
        """Tell that the server no longer takes it; whether it is worth to try again."""
        if not self.is_exchanged:
            return False
        with self._lock:
            if self._held is not None and self._held[1].secret == secret:
                if self._folder is not None:
                    # Where it cannot be removed it cannot have been written.
                    with contextlib.suppress(OSError):
                        self._kept_file(self._held[0]).unlink(missing_ok=True)
                self._held = None
        return True

    def _renewed(self) -> tuple[str, Exchanged]:
        # Read anew each time, since the platform renews the file.
        token = self._access.fresh_token()
        kept = self._kept(token)
        if kept is None:
            kept = self._exchange(token)
            self._keep(token, kept)
        return token, kept

    # --- Between processes ------------------------------------------------------------------------

    def _kept_file(self, token: str) -> Path:
        assert self._folder is not None
        name = hashlib.sha256(f"{self._access.url}\0{token}".encode()).hexdigest()
        return self._folder / f"{name}.json"

    def _kept(self, token: str) -> Exchanged | None:
        """What an earlier process kept, if only we can have written it and it is still good."""
        if self._folder is None:
            return None
        try:
            with self._kept_file(token).open("rb") as file:
                status = os.fstat(file.fileno())
                if stat.S_IMODE(status.st_mode) & 0o077 or status.st_uid != os.geteuid():
                    return None
                found = json.loads(file.read(KEPT_BYTES_MAX))
            kept = Exchanged(secret=found["secret"], expire_time_s=float(found["expire_time_s"]))
            good = found["schema"] == SCHEMA and isinstance(kept.secret, str)
        except (OSError, ValueError, TypeError, KeyError):
            # Absent, or not ours to understand: an exchange brings another.
            return None
        return kept if good and _lives(kept) else None

    def _keep(self, token: str, exchanged: Exchanged) -> None:
        if self._folder is None:
            return
        content = {
            "schema": SCHEMA,
            "secret": exchanged.secret,
            "expire_time_s": exchanged.expire_time_s,
        }
        # A read-only home is usual in a container, and costs an exchange a command.
        with contextlib.suppress(OSError):
            _forget_ended(self._folder)
            path = self._kept_file(token)
            replace_private(path, json.dumps(content))
            os.utime(path, (exchanged.expire_time_s, exchanged.expire_time_s))


def _forget_ended(folder: Path) -> None:
    """A file's time is when its token ends."""
    for path in folder.glob("*.json"):
        # Another command may be at it too.
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_mtime < time.time():
                path.unlink()


def _lives(exchanged: Exchanged) -> bool:
    return time.time() < exchanged.expire_time_s - MARGIN_S
