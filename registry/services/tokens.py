"""Tokens: made once, shown once, stored as a hash, revoked for good."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Sequence

from registry.domain.access import (
    REGISTRY_WIDE,
    Action,
    Caller,
    Principal,
    PrincipalKind,
    Token,
)
from registry.domain.pages import Page, PageRequest, decode_token, fingerprint, page_of
from registry.domain.scopes import Scope, Scopes
from registry.domain.times import show_time
from registry.errors import InvalidFieldError, InvalidStateError, NotFoundError
from registry.names import PrincipalName, TokenName
from registry.ports.clock import Clock
from registry.ports.database import Database, Transaction
from registry.services import principals
from registry.services.authentication import Authenticator, hash_of, new_secret
from registry.services.fields import check_text
from registry.services.lookups import event
from registry.services.requests import fingerprint as content_of
from registry.services.requests import once
from registry.services.scopes import check_scopes, require_included, require_own

_DAY_US = 24 * 3600 * 1_000_000
DAYS_MAX = {PrincipalKind.PERSON: 366, PrincipalKind.ROBOT: 90}
#: How long a list shows tokens that have ended.
ENDED_SHOWN_US = 30 * _DAY_US
OVERLAP_MAX_US = 7 * _DAY_US
#: An event names so many of the tokens that were revoked together.
LISTED_MAX = 1000


class TokenService:
    def __init__(self, *, database: Database, clock: Clock, authenticator: Authenticator) -> None:
        self._database = database
        self._clock = clock
        self._authenticator = authenticator

    def create(
        self,
        caller: Caller,
        parent: PrincipalName,
        *,
        label: str,
        expire_time_us: int | None,
        request_id: str,
        scopes: Sequence[Scope] = (),
    ) -> tuple[Token, str]:
        """The new token and its secret; in a repeat the token and an empty text."""
        _require_self_or(Action.PRINCIPAL_WRITE, caller, parent)
        require_own(caller, Action.TOKEN_CREATE)
        check_text("token.label", label, 200, one_line=True)
        checked = check_scopes(scopes)
        require_included(caller, checked)

        def fn(tx: Transaction) -> tuple[Token, str]:
            now = self._clock.now_us()
            owner = principals.get(tx, parent.principal)

            def create() -> tuple[str, tuple[Token, str]]:
                end_us = _check_expiry(caller, owner, expire_time_us, now)
                token, secret = _make(tx, caller, owner, label, checked, end_us, now)
                return token.name, (token, secret)

            return once(
                tx,
                caller,
                "CreateToken",
                request_id,
                content_of(owner.id, label, expire_time_us, *((checked,) if checked else ())),
                now_us=now,
                create=create,
                reload=lambda name: (_get(tx, TokenName.parse(name)), ""),
            )

        return self._database.write(fn)

    def list(self, caller: Caller, parent: PrincipalName, page: PageRequest) -> Page[Token]:
        _require_self_or(Action.PRINCIPAL_READ, caller, parent, Action.TOKEN_READ)
        of = fingerprint("tokens", parent.principal)
        after = decode_token(page.token, of, int)
        limit = page.limit()
        ended_after_us = self._clock.now_us() - ENDED_SHOWN_US

        def fn(tx: Transaction) -> Page[Token]:
            owner = principals.get(tx, parent.principal)
            found = tx.tokens.list(owner.id, ended_after_us, after, limit + 1)
            return page_of(found, limit, lambda token: (token.key,), of)

        return self._database.read(fn)

    def revoke(self, caller: Caller, name: TokenName) -> Token:
        # Whoever has a token may at least end it.
        if str(name) != caller.token.name:
            _require_self_or(Action.PRINCIPAL_WRITE, caller, name.principal, Action.TOKEN_REVOKE)

        def fn(tx: Transaction) -> Token:
            token = _get(tx, name)
            if token.revoke_time_us is not None:
                return token
            now = self._clock.now_us()
            tx.tokens.revoke(token.key, now)
            actor = caller.principal.name
            tx.events.append(principals.token_event(actor, "token.revoke", token))
            return dataclasses.replace(token, revoke_time_us=now)

        revoked = self._database.write(fn)
        self._authenticator.forget()
        return revoked

    def rotate(
        self,
        caller: Caller,
        name: TokenName,
        *,
        overlap_us: int,
        expire_time_us: int | None,
        request_id: str,
    ) -> tuple[Token, str]:
        """A successor with its secret, as `create`; the old token ends after the overlap."""
        _require_self_or(Action.PRINCIPAL_WRITE, caller, name.principal)
        require_own(caller, Action.TOKEN_CREATE)
        _check_overlap(overlap_us)

        def fn(tx: Transaction) -> tuple[Token, str]:
            now = self._clock.now_us()

            def create() -> tuple[str, tuple[Token, str]]:
                old = _get(tx, name)
                require_included(caller, old.scopes)
                _require_alive(old, now)
                owner = principals.get(tx, old.principal)
                wanted_us = expire_time_us
                if wanted_us is None:
                    span_us = old.expire_time_us - old.create_time_us
                    wanted_us = min(now + span_us, _latest(caller, owner, now)[0])
                end_us = _check_expiry(caller, owner, wanted_us, now)
                new, secret = _make(tx, caller, owner, old.label, old.scopes, end_us, now)
                tx.tokens.end_by(old.key, now + overlap_us)
                ended = dataclasses.replace(
                    old, expire_time_us=min(old.expire_time_us, now + overlap_us)
                )
                actor = caller.principal.name
                tx.events.append(
                    principals.token_event(actor, "token.rotate", ended, successor=new.name)
                )
                return new.name, (new, secret)

            return once(
                tx,
                caller,
                "RotateToken",
                request_id,
                content_of(str(name), overlap_us, expire_time_us),
                now_us=now,
                create=create,
                reload=lambda made: (_get(tx, TokenName.parse(made)), ""),
            )

        rotated = self._database.write(fn)
        self._authenticator.forget()
        return rotated

    def revoke_all(self, caller: Caller, parent: PrincipalName, *, except_current: bool) -> int:
        """Revoke what has not ended of a principal's tokens; how many."""
        _require_self_or(Action.PRINCIPAL_WRITE, caller, parent, Action.TOKEN_REVOKE)
        kept = caller.token.key if except_current else 0

        def fn(tx: Transaction) -> int:
            now = self._clock.now_us()
            owner = principals.get(tx, parent.principal)
            ids = tx.tokens.revoke_all(owner.id, kept, now)
            if ids:
                detail: dict[str, object] = {"count": len(ids), "tokens": sorted(ids)[:LISTED_MAX]}
                tx.events.append(event(caller, "token.revoke_all", owner.name, "", detail))
            return len(ids)

        count = self._database.write(fn)
        self._authenticator.forget()
        return count


def _require_self_or(
    action: Action, caller: Caller, owner: PrincipalName, own: Action | None = None
) -> None:
    """The action on "*", or to be the owner, with a token that is good for the own action."""
    if owner.principal != caller.id:
        caller.require(action, REGISTRY_WIDE, str(owner))
    elif own is not None:
        require_own(caller, own)


def _make(
    tx: Transaction,
    caller: Caller,
    owner: Principal,
    label: str,
    scopes: Scopes,
    end_us: int,
    now_us: int,
) -> tuple[Token, str]:
    secret = new_secret()
    token = tx.tokens.insert(
        Token(
            key=0,
            id=uuid.uuid4().hex[:16],
            principal=owner.id,
            label=label,
            create_time_us=now_us,
            expire_time_us=end_us,
            revoke_time_us=None,
            last_use_time_us=None,
            creator=caller.principal.name,
            scopes=scopes,
            earlier_makers=_behind(caller),
        ),
        hash_of(secret),
    )
    tx.events.append(principals.token_event(caller.principal.name, "token.create", token))
    return token, secret


def _behind(caller: Caller) -> tuple[str, ...]:
    """Who else could have asked as the caller does: who has the token, and who answers for the
    robot."""
    sponsor = caller.principal.sponsor
    return tuple(sorted({*caller.token.makers, *([f"principals/{sponsor}"] if sponsor else [])}))


def _require_alive(token: Token, now_us: int) -> None:
    if token.revoke_time_us is None and now_us < token.expire_time_us:
        return
    raise InvalidStateError(
        name=token.name,
        action="be rotated",
        found="EXPIRED" if token.revoke_time_us is None else "REVOKED",
        allowed="VALID",
        fix="Make a new one: hallmark token create " + token.principal,
    )


def _check_overlap(overlap_us: int) -> None:
    if not 0 <= overlap_us <= OVERLAP_MAX_US:
        raise InvalidFieldError(
            field="overlap",
            found=f"{overlap_us / 1e6:g} s",
            expected="0 s to 7 days",
            fix="Choose a shorter one: whoever has the old secret uses it until then.",
        )


def _get(tx: Transaction, name: TokenName) -> Token:
    found = tx.tokens.get(name.principal.principal, name.token)
    if found is None:
        raise NotFoundError(
            kind="token",
            name=str(name),
            fix=f"See which there are: hallmark token list {name.principal.principal}",
        )
    return found


def _check_expiry(caller: Caller, owner: Principal, expire_time_us: int | None, now_us: int) -> int:
    """The expiry, if it is set, ahead, and within what the owner's kind and the caller allow."""
    latest_us, bound = _latest(caller, owner, now_us)
    if expire_time_us is not None and now_us < expire_time_us <= latest_us:
        return expire_time_us
    raise InvalidFieldError(
        field="token.expire_time",
        found="nothing" if expire_time_us is None else show_time(expire_time_us),
        expected=f"a time from now to {show_time(latest_us)}, {bound}",
        fix=_expiry_fix(expire_time_us, latest_us),
    )


def _latest(caller: Caller, owner: Principal, now_us: int) -> tuple[int, str]:
    """Until when a token that the caller makes may live, and why no longer."""
    days = DAYS_MAX[owner.kind]
    latest_us = now_us + days * _DAY_US
    own_end_us = caller.token.expire_time_us
    if own_end_us < latest_us and not caller.may(Action.PRINCIPAL_WRITE, REGISTRY_WIDE):
        return own_end_us, "the end of the token that asks"
    return latest_us, f"the {days} days that a {owner.kind.value}'s token may live"


def _expiry_fix(expire_time_us: int | None, latest_us: int) -> str:
    if expire_time_us is None:
        return "Say when the token ends."
    if expire_time_us > latest_us:
        return "Choose an earlier one, and renew the token before it ends."
    return "Choose a later one; this one has passed."
