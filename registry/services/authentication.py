"""Who is asking: a token's secret becomes a caller.

What was looked up is remembered for a few seconds, since every call asks; whatever this server
itself changes is forgotten at once, what other replicas change within `FRESH_US`.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
import zlib
from collections.abc import Callable

from registry.domain.access import Caller, Principal, Token
from registry.domain.times import show_time
from registry.errors import TokenExpiredError, TokenRevokedError, UnauthenticatedError
from registry.ports.clock import Clock
from registry.ports.database import Database, Transaction

#: How long a caller is taken for what the database said.
FRESH_US = 4_000_000
REMEMBERED_MAX = 10_000

_PREFIX = "hm_"
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SECRET = re.compile(r"hm_[0-9A-Za-z]{36}")

#: A caller is remembered by the hash of a secret, or by the (principal, token) of a ticket.
_CacheKey = bytes | tuple[str, str]


def new_secret() -> str:
    """A fresh token secret: `hm_`, 30 random base62 characters, 6 of checksum."""
    body = _PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(30))
    return body + _checksum(body)


def hash_of(secret: str) -> bytes:
    """What is stored of a secret. It is random, so that a slow hash would guard nothing."""
    return hashlib.sha256(secret.encode(errors="surrogatepass")).digest()


class Authenticator:
    """Threads share one; a call that is remembered costs a hash and a look into a dict."""

    def __init__(
        self, *, database: Database, clock: Clock, remembered_max: int = REMEMBERED_MAX
    ) -> None:
        self._database = database
        self._clock = clock
        self._remembered_max = remembered_max
        self._remembered: dict[_CacheKey, tuple[Caller, int]] = {}
        self._last_uses: dict[int, int] = {}
        self._lock = threading.Lock()
        self._changes = 0

    def authenticate(self, secret: str) -> Caller:
        """The caller that a token's secret proves.

        Raises UnauthenticatedError (malformed, unknown, or its principal is disabled),
        TokenRevokedError or TokenExpiredError.
        """
        key = hash_of(secret)
        now = self._clock.now_us()
        remembered = self._remembered.get(key)
        if remembered is not None and now < remembered[1]:
            caller = remembered[0]
            if now >= caller.token.expire_time_us:
                raise _expired(caller.token)
        else:
            _check_form(secret)
            caller = self._look_up(key, lambda tx: tx.tokens.by_hash(key))
        self._last_uses[caller.token.key] = now
        return caller

    def caller_of(self, principal: str, token: str) -> Caller:
        """The caller behind a ticket, if its token would still be accepted. Raises as authenticate.

        No use of the token is noted: whoever has the ticket need not have the secret.
        """
        key = (principal, token)
        now = self._clock.now_us()
        remembered = self._remembered.get(key)
        if remembered is not None and now < remembered[1]:
            if now >= remembered[0].token.expire_time_us:
                raise _expired(remembered[0].token)
            return remembered[0]

        def find(tx: Transaction) -> tuple[Principal, Token] | None:
            owner, found = tx.principals.get(principal), tx.tokens.get(principal, token)
            return (owner, found) if owner is not None and found is not None else None

        return self._look_up(key, find)

    def forget_token(self, token: Token) -> None:
        """Look this token up anew from now on: it changed."""
        self._forget(lambda caller: caller.token.key == token.key)

    def forget_principal(self, id: str) -> None:
        """Look all tokens of this principal up anew from now on: grants or state changed."""
        self._forget(lambda caller: caller.id == id)

    def flush_last_uses(self) -> None:
        """Store when tokens were last used. To be called about twice a minute and at the end."""
        noted = self._last_uses
        # Popped one by one, since other threads go on noting uses meanwhile.
        uses = [(key, noted.pop(key)) for key in list(noted)]
        if not uses:
            return
        try:
            self._database.write(lambda tx: tx.tokens.touch(uses))
        except BaseException:
            for key, time_us in uses:
                noted.setdefault(key, time_us)
            raise

    def _look_up(
        self, key: _CacheKey, find: Callable[[Transaction], tuple[Principal, Token] | None]
    ) -> Caller:
        changes = self._changes
        now = self._clock.now_us()
        found = self._database.read(find)
        if found is None:
            raise UnauthenticatedError(problem="This token is not known here.")
        principal, token = found
        _check(principal, token, now)
        caller = Caller(principal=principal, token=token)
        with self._lock:
            # What changed while we looked may be newer than what we saw.
            if changes == self._changes:
                if len(self._remembered) >= self._remembered_max:
                    del self._remembered[next(iter(self._remembered))]
                self._remembered[key] = (caller, now + FRESH_US)
        return caller

    def _forget(self, changed: Callable[[Caller], bool]) -> None:
        with self._lock:
            self._changes += 1
            for key in [key for key, (caller, _) in self._remembered.items() if changed(caller)]:
                del self._remembered[key]


def _check(principal: Principal, token: Token, now_us: int) -> None:
    if principal.disabled:
        raise UnauthenticatedError(
            problem=f"{principal.name} is disabled.",
            fix="Ask an administrator of Hallmark.",
        )
    if token.revoke_time_us is not None:
        raise TokenRevokedError(token=token.name, revoke_time=show_time(token.revoke_time_us))
    if now_us >= token.expire_time_us:
        raise _expired(token)


def _expired(token: Token) -> TokenExpiredError:
    return TokenExpiredError(token=token.name, expire_time=show_time(token.expire_time_us))


def _check_form(secret: str) -> None:
    """Refuse what is no secret of ours, or one with a typing error, without asking the database."""
    if not _SECRET.fullmatch(secret) or _checksum(secret[:-6]) != secret[-6:]:
        raise UnauthenticatedError(
            problem="This is no Hallmark token: expected 'hm_' and 36 letters and digits, "
            "the last 6 of them a checksum of the rest; check that it was copied whole."
        )


def _checksum(body: str) -> str:
    """CRC32 of the text in 6 base62 digits (0-9, A-Z, a-z), the highest first."""
    number = zlib.crc32(body.encode("ascii"))
    digits = []
    for _ in range(6):
        number, digit = divmod(number, 62)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))
