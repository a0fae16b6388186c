"""Logging in: a password of the company's directory becomes a short-lived token of ours."""

from __future__ import annotations

import dataclasses
import threading
import uuid
from dataclasses import dataclass

from registry.domain.access import Caller, Principal, PrincipalKind, Token
from registry.domain.directory import Account, DirectoryAccount, Standing
from registry.domain.events import SYSTEM, EventDraft
from registry.errors import (
    ConflictError,
    DirectoryUnavailableError,
    HallmarkError,
    InvalidFieldError,
    LoginBusyError,
    LoginInsecureError,
    LoginNameTakenError,
    LoginRefusedError,
    NoDirectoryError,
)
from registry.names import PrincipalName
from registry.names.text import show
from registry.ports.clock import Clock
from registry.ports.database import Database, Transaction
from registry.ports.directory import Directory
from registry.services import principals
from registry.services.authentication import Authenticator, hash_of, new_secret
from registry.services.directory_accounts import as_read, differs, store, without_details
from registry.services.fields import check_text
from registry.services.login_throttle import Attempt, LoginThrottle
from registry.services.namespaces import new_etag

#: In one process, which has twice as many threads for calls: passwords wait for the directory, and
#: where that is slow, or somebody sends many, all else is answered nevertheless.
LOGINS_AT_ONCE = 12
_HOUR_US = 3600 * 1_000_000
LABEL = "login"


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a password comes from."""

    address: str
    #: Encrypted, or from this machine.
    is_confidential: bool


class IdentityService:
    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        authenticator: Authenticator,
        directory: Directory | None,
        throttle: LoginThrottle,
        token_ttl_h: int,
    ) -> None:
        self._database = database
        self._clock = clock
        self._authenticator = authenticator
        self._directory = directory
        self._throttle = throttle
        self._token_ttl_us = token_ttl_h * _HOUR_US
        self._slots = threading.BoundedSemaphore(LOGINS_AT_ONCE)

    def login(self, user: str, password: str, *, label: str, origin: Origin) -> tuple[Caller, str]:
        """The caller and a new token's secret. Makes the principal at the first login."""
        if not origin.is_confidential:
            raise LoginInsecureError(address=origin.address)
        if self._directory is None:
            raise NoDirectoryError(
                what="A login with a password",
                fix="Ask an administrator for a token: hallmark login URL --token-file FILE",
            )
        check_text("label", label, 200, one_line=True)
        if not self._slots.acquire(blocking=False):
            raise LoginBusyError(at_once=LOGINS_AT_ONCE)
        try:
            return self._login(self._directory, user, password, label, origin)
        finally:
            self._slots.release()

    def _login(
        self, directory: Directory, user: str, password: str, label: str, origin: Origin
    ) -> tuple[Caller, str]:
        attempt = self._throttle.begin(user, origin.address)
        try:
            account = self._proven(directory, user, password, attempt)
            caller, secret = self._let_in(directory.name, account, label, attempt)
        except (LoginRefusedError, LoginNameTakenError):
            raise
        except DirectoryUnavailableError as error:
            # Once it was asked, it may have counted what it did not answer.
            if not attempt.is_asked:
                self._throttle.was_not_tried(attempt)
            raise without_details() from error
        except HallmarkError:
            # Whatever else it was, it says nothing of the password.
            self._throttle.was_not_tried(attempt)
            raise
        self._throttle.was_right(attempt)
        return caller, secret

    def _proven(self, directory: Directory, user: str, password: str, attempt: Attempt) -> Account:
        """The account whose password this is; raises LoginRefusedError, with an event."""
        kept: DirectoryAccount | None = None
        is_somebody = False

        def admit(stable_id: str) -> None:
            nonlocal kept, is_somebody
            is_somebody = True
            kept = self._database.read(
                lambda tx: tx.directory_accounts.get(directory.name, stable_id)
            )
            self._throttle.admit(attempt, stable_id, kept.address if kept else "")

        account = directory.authenticate(user, password, admit=admit)
        if account is None:
            if not is_somebody:
                # Counted alike, so that neither time nor throttle tells who there is.
                self._throttle.admit(attempt, f"nobody:{user.casefold()}", "")
            # Names that nobody here bears are not kept: a password is easily typed as a name.
            self._refuse(kept.user if kept else "", "WRONG_PASSWORD", attempt.address)
            raise LoginRefusedError()
        return account

    def _let_in(
        self, directory: str, account: Account, label: str, attempt: Attempt
    ) -> tuple[Caller, str]:
        secret = new_secret()

        def fn(tx: Transaction) -> tuple[DirectoryAccount, DirectoryAccount]:
            now = self._clock.now_us()
            kept = self._kept(tx, directory, account, now_us=now)
            read = as_read(kept, account, now_us=now)
            if not account.disabled and attempt.is_asked:
                read = dataclasses.replace(read, address=attempt.address)
            stored = store(tx, kept, read)
            if stored.standing is Standing.ACTIVE:
                owner = principals.get(tx, stored.principal)
                _require_enabled(owner)
                self._make_token(tx, owner, secret, label, attempt.address, now_us=now)
            return kept, stored

        try:
            kept, stored = self._database.write(fn)
            if differs(kept, stored):
                self._authenticator.forget()
            if stored.standing is not Standing.ACTIVE:
                raise _not_active(stored.standing)
        except (LoginRefusedError, LoginNameTakenError) as refused:
            self._refuse(show(account.user), refused.reason, attempt.address)
            raise
        return self._authenticator.authenticate(secret), secret

    def _kept(
        self, tx: Transaction, directory: str, account: Account, *, now_us: int
    ) -> DirectoryAccount:
        """What binds a principal to the account; both are made where the account is new here."""
        kept = tx.directory_accounts.get(directory, account.stable_id)
        if kept is not None:
            return kept
        if account.disabled:
            raise _not_active(Standing.DISABLED)
        principal = tx.principals.insert(_principal(account, now_us))
        if principal is None:
            # Another login of theirs may just have been quicker.
            kept = tx.directory_accounts.get(directory, account.stable_id)
            if kept is not None:
                return kept
            raise _taken(tx, account)
        kept = tx.directory_accounts.insert(
            DirectoryAccount(
                key=0,
                principal_key=principal.key,
                principal=principal.id,
                directory=directory,
                stable_id=account.stable_id,
                user=account.user,
                groups=(),
                standing=Standing.ACTIVE,
                read_time_us=account.read_time_us,
                address="",
                create_time_us=now_us,
            )
        )
        if kept is None:
            raise ConflictError(what=f"The account of {principal.name}")
        detail: dict[str, object] = {
            "kind": principal.kind.value,
            "display_name": principal.display_name,
            "directory": directory,
            "stable_id": account.stable_id,
        }
        tx.events.append(_event("principal.create", principal.name, principal.name, detail))
        return kept

    def _make_token(
        self,
        tx: Transaction,
        owner: Principal,
        secret: str,
        label: str,
        address: str,
        *,
        now_us: int,
    ) -> None:
        token = tx.tokens.insert(
            Token(
                key=0,
                id=uuid.uuid4().hex[:16],
                principal=owner.id,
                label=label or LABEL,
                create_time_us=now_us,
                expire_time_us=now_us + self._token_ttl_us,
                revoke_time_us=None,
                last_use_time_us=None,
                creator=owner.name,
            ),
            hash_of(secret),
        )
        detail: dict[str, object] = {"address": address, "token": token.name}
        tx.events.append(_event("identity.login", owner.name, owner.name, detail))
        tx.events.append(principals.token_event(owner.name, "token.create", token))

    def _refuse(self, user: str, problem: str, address: str) -> None:
        """Write down that somebody was not let in. `user` is empty for nobody that is known."""
        detail: dict[str, object] = {"address": address, "problem": problem, "user": user}
        draft = _event("identity.refuse", SYSTEM, "principals", detail)
        self._database.write(lambda tx: tx.events.append(draft))


def _principal(account: Account, now_us: int) -> Principal:
    """A new person, known by the name in the directory, in small letters."""
    id = account.user.lower()
    try:
        # Some letters beyond ASCII become ones of ASCII when they are made small.
        PrincipalName(principal=id if account.user.isascii() else account.user, field="user")
    except InvalidFieldError as error:
        raise LoginRefusedError(
            problem=f"the directory's name {show(account.user)} cannot be one here: expected "
            f"{error.expected}.",
            fix="Have HALLMARK_LDAP_USER_ATTRIBUTE set to one that can, such as mail.",
        ) from error
    return Principal(
        key=0,
        id=id,
        uid=str(uuid.uuid4()),
        kind=PrincipalKind.PERSON,
        display_name=account.display_name,
        grants=(),
        disabled=False,
        etag=new_etag(),
        create_time_us=now_us,
        update_time_us=now_us,
    )


def _taken(tx: Transaction, account: Account) -> LoginNameTakenError:
    id = account.user.lower()
    found = tx.principals.get(id)
    bound = tx.directory_accounts.of_principal(found.key) if found else None
    holder = "an earlier account of that name" if bound else "one that was made here"
    return LoginNameTakenError(principal=f"principals/{id}", user=account.user, holder=holder)


def _not_active(standing: Standing) -> LoginRefusedError:
    return LoginRefusedError(
        problem=f"this account is {standing.value} in the company's directory.",
        fix="Ask the directory's administrators.",
    )


def _require_enabled(principal: Principal) -> None:
    if principal.disabled:
        raise LoginRefusedError(
            problem=f"{principal.name} is disabled here.",
            fix="Ask an administrator of Hallmark.",
        )


def _event(action: str, actor: str, resource: str, detail: dict[str, object]) -> EventDraft:
    return EventDraft(action=action, resource=resource, namespace="", actor=actor, detail=detail)
