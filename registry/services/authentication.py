"""Who is asking: a token's secret becomes a caller.

What was looked up is remembered for a few seconds, since every call asks; whatever one of this
server's processes changes is forgotten at once by all of them, what other replicas change within
`FRESH_US`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
import secrets
import threading
import zlib
from collections.abc import Callable

from registry.domain.access import Caller, Principal, PrincipalKind, Token
from registry.domain.directory import DirectoryAccount, Standing
from registry.domain.group_roles import NO_GROUP_ROLES, GroupRoles
from registry.domain.times import show_time
from registry.errors import (
    TokenExpiredError,
    TokenRevokedError,
    UnauthenticatedError,
)
from registry.ports.changes import Changes
from registry.ports.clock import Clock
from registry.ports.database import Database, Transaction
from registry.services.rates import Rates, party_of

#: How long a caller is taken for what the database said.
FRESH_US = 4_000_000
REMEMBERED_MAX = 10_000
#: Calls of one principal, in each process, where the operator says nothing; 0: no limit.
CALLS_PER_MINUTE = 600_000
#: From one address, looks into the database that found no good token.
FAILURES_PER_MINUTE = 60
_FAILURES_AT_ONCE = 30

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
        self,
        *,
        database: Database,
        clock: Clock,
        changes: Changes,
        remembered_max: int = REMEMBERED_MAX,
        calls_per_minute: int = CALLS_PER_MINUTE,
        failures_per_minute: int = FAILURES_PER_MINUTE,
        group_roles: GroupRoles = NO_GROUP_ROLES,
    ) -> None:
        self._database = database
        self._clock = clock
        self._changes = changes
        self._remembered_max = remembered_max
        self._group_roles = group_roles
        #: Callers and until when they are fresh, all as of one state of `changes`.
        self._remembered: tuple[object, dict[_CacheKey, tuple[Caller, int]]] = (None, {})
        self._last_uses: dict[int, int] = {}
        self._calls = Rates(per_minute=calls_per_minute, burst=max(calls_per_minute // 60, 1))
        self._failures = Rates(per_minute=failures_per_minute, burst=_FAILURES_AT_ONCE)
        self._lock = threading.Lock()

    def authenticate(self, secret: str, peer: Callable[[], str] = str) -> Caller:
        """The caller that a token's secret proves. `peer` tells the address that it came from.

        Raises UnauthenticatedError (malformed, unknown, or its principal is disabled),
        TokenRevokedError, TokenExpiredError, or RateLimitedError: the principal calls too often, or
        the peer keeps sending what is no good token.
        """
        key = hash_of(secret)
        now = self._clock.now_us()
        caller = self._recall(key, now)
        if caller is None:
            _check_form(secret)
            caller = self._look_up_for(peer(), key, now)
        self._count_call(caller, now)
        self._last_uses[caller.token.key] = now
        return caller

    def caller_of(self, principal: str, token: str, *, begun: bool = False) -> Caller:
        """The caller behind a ticket, if its token would still be accepted. Raises as authenticate.

        For a transfer that has `begun` the token may have expired meanwhile; nothing else of it, or
        of its principal, is let pass. No use of the token is noted: whoever has the ticket need not
        have the secret.
        """
        key = (principal, token)
        now = self._clock.now_us()

        def find(tx: Transaction) -> tuple[Principal, Token] | None:
            owner, found = tx.principals.get(principal), tx.tokens.get(principal, token)
            return (owner, found) if owner is not None and found is not None else None

        caller = self._recall(key, now, begun=begun) or self._look_up(key, find, begun=begun)
        self._count_call(caller, now)
        return caller

    def with_account(self, caller: Caller, account: DirectoryAccount) -> Caller:
        """The caller with the groups of an account in the directory, and what these are given."""
        return dataclasses.replace(
            caller,
            groups=account.groups,
            group_grants=self._group_roles.grants_of(account.groups),
        )

    def forget(self) -> None:
        """Look all callers up anew from now on, in every process of this server: a token, a grant
        or a principal's state has changed."""
        with self._lock:
            self._changes.tell()

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

    def _recall(self, key: _CacheKey, now_us: int, *, begun: bool = False) -> Caller | None:
        """The caller if it is remembered; raises TokenExpiredError where its token has expired,
        unless `begun`: who was looked up so is remembered too."""
        state, callers = self._remembered
        remembered = callers.get(key)
        if remembered is None or now_us >= remembered[1] or state != self._changes.state:
            return None
        caller = remembered[0]
        if not begun:
            _require_unexpired(caller.token, now_us)
        return caller

    def _look_up_for(self, peer: str, key: bytes, now_us: int) -> Caller:
        """The caller of a secret that is not remembered; an address from which too many came in
        vain is not listened to for a while, so that guesses do not burden the database."""
        party = party_of(peer)
        if wait_us := self._failures.wait_us(party, now_us):
            raise self._failures.refusal(f"Bad tokens from {party}", "failures", wait_us)
        try:
            return self._look_up(key, lambda tx: tx.tokens.by_hash(key))
        except (UnauthenticatedError, TokenExpiredError, TokenRevokedError):
            self._failures.take(party, now_us)
            raise

    def _count_call(self, caller: Caller, now_us: int) -> None:
        if wait_us := self._calls.take(caller.id, now_us):
            raise self._calls.refusal(f"Calls by {caller.principal.name}", "calls", wait_us)

    def _look_up(
        self,
        key: _CacheKey,
        find: Callable[[Transaction], tuple[Principal, Token] | None],
        *,
        begun: bool = False,
    ) -> Caller:
        # Before the look: what changes meanwhile may be newer than what is seen.
        state = self._changes.state
        now = self._clock.now_us()
        found = self._database.read(lambda tx: _with_account(tx, find(tx)))
        if found is None:
            raise UnauthenticatedError(problem="This token is not known here.")
        principal, token, account = found
        _check(principal, token)
        if not begun:
            _require_unexpired(token, now)
        caller = Caller(principal=principal, token=token)
        if account is not None:
            require_active(account)
            caller = self.with_account(caller, account)
        self._keep(state, key, caller, now + FRESH_US)
        return caller

    def _keep(self, state: object, key: _CacheKey, caller: Caller, until_us: int) -> None:
        with self._lock:
            if state != self._changes.state:
                return
            of, callers = self._remembered
            if of != state:
                callers = {}
                self._remembered = (state, callers)
            if len(callers) >= self._remembered_max:
                del callers[next(iter(callers))]
            callers[key] = (caller, until_us)


def require_active(account: DirectoryAccount) -> None:
    """Raise UnauthenticatedError for an account that is disabled or gone."""
    if account.standing is not Standing.ACTIVE:
        raise UnauthenticatedError(
            problem=f"The account of principals/{account.principal} in the company's directory is "
            f"{account.standing.value}.",
            fix="Ask the directory's administrators.",
        )


def _with_account(
    tx: Transaction, found: tuple[Principal, Token] | None
) -> tuple[Principal, Token, DirectoryAccount | None] | None:
    if found is None:
        return None
    principal, token = found
    if principal.kind is PrincipalKind.ROBOT:
        return principal, token, None
    return principal, token, tx.directory_accounts.of_principal(principal.key)


def _check(principal: Principal, token: Token) -> None:
    if principal.disabled:
        raise UnauthenticatedError(
            problem=f"{principal.name} is disabled.",
            fix="Ask an administrator of Hallmark.",
        )
    if token.revoke_time_us is not None:
        raise TokenRevokedError(token=token.name, revoke_time=show_time(token.revoke_time_us))


def _require_unexpired(token: Token, now_us: int) -> None:
    if now_us >= token.expire_time_us:
        raise TokenExpiredError(token=token.name, expire_time=show_time(token.expire_time_us))


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
