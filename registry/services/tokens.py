"""Tokens: made once, shown once, stored as a hash, revoked for good."""

from __future__ import annotations

import dataclasses
import uuid

from registry.domain.access import (
    REGISTRY_WIDE,
    Action,
    Caller,
    Principal,
    PrincipalKind,
    Token,
)
from registry.domain.pages import Page, PageRequest, decode_token, fingerprint, page_of
from registry.domain.times import show_time
from registry.errors import InvalidFieldError, NotFoundError
from registry.names import PrincipalName, TokenName
from registry.ports.clock import Clock
from registry.ports.database import Database, Transaction
from registry.services import principals
from registry.services.authentication import Authenticator, hash_of, new_secret
from registry.services.fields import check_text
from registry.services.requests import fingerprint as content_of
from registry.services.requests import once

_DAY_US = 24 * 3600 * 1_000_000
DAYS_MAX = {PrincipalKind.PERSON: 366, PrincipalKind.ROBOT: 90}
#: How long a list shows tokens that have ended.
ENDED_SHOWN_US = 30 * _DAY_US


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
    ) -> tuple[Token, str]:
        """The new token and its secret; in a repeat the token and an empty text."""
        _require_self_or(Action.PRINCIPAL_WRITE, caller, parent)
        check_text("token.label", label, 200, one_line=True)

        def fn(tx: Transaction) -> tuple[Token, str]:
            now = self._clock.now_us()
            owner = principals.get(tx, parent.principal)

            def create() -> tuple[str, tuple[Token, str]]:
                end_us = _check_expiry(caller, owner, expire_time_us, now)
                secret = new_secret()
                token = tx.tokens.insert(
                    Token(
                        key=0,
                        id=uuid.uuid4().hex[:16],
                        principal=owner.id,
                        label=label,
                        create_time_us=now,
                        expire_time_us=end_us,
                        revoke_time_us=None,
                        last_use_time_us=None,
                        creator=caller.principal.name,
                    ),
                    hash_of(secret),
                )
                actor = caller.principal.name
                tx.events.append(principals.token_event(actor, "token.create", token))
                return token.name, (token, secret)

            return once(
                tx,
                caller,
                "CreateToken",
                request_id,
                content_of(owner.id, label, expire_time_us),
                now_us=now,
                create=create,
                reload=lambda name: (_get(tx, TokenName.parse(name)), ""),
            )

        return self._database.write(fn)

    def list(self, caller: Caller, parent: PrincipalName, page: PageRequest) -> Page[Token]:
        _require_self_or(Action.PRINCIPAL_READ, caller, parent)
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
        _require_self_or(Action.PRINCIPAL_WRITE, caller, name.principal)

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


def _require_self_or(action: Action, caller: Caller, owner: PrincipalName) -> None:
    if owner.principal != caller.id:
        caller.require(action, REGISTRY_WIDE, str(owner))


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
    days = DAYS_MAX[owner.kind]
    latest_us = now_us + days * _DAY_US
    bound = f"the {days} days that a {owner.kind.value}'s token may live"
    own_end_us = caller.token.expire_time_us
    if own_end_us < latest_us and not caller.may(Action.PRINCIPAL_WRITE, REGISTRY_WIDE):
        latest_us = own_end_us
        bound = "the end of the token that asks"
    if expire_time_us is not None and now_us < expire_time_us <= latest_us:
        return expire_time_us
    raise InvalidFieldError(
        field="token.expire_time",
        found="nothing" if expire_time_us is None else show_time(expire_time_us),
        expected=f"a time from now to {show_time(latest_us)}, {bound}",
        fix=_expiry_fix(expire_time_us, latest_us),
    )


def _expiry_fix(expire_time_us: int | None, latest_us: int) -> str:
    if expire_time_us is None:
        return "Say when the token ends."
    if expire_time_us > latest_us:
        return "Choose an earlier one, and renew the token before it ends."
    return "Choose a later one; this one has passed."
