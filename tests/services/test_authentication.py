"""Who is asking: secrets, what is remembered of them, and what makes them void."""

from __future__ import annotations

import os
import re
import string
import zlib
from concurrent.futures import ThreadPoolExecutor

import pytest

from registry.board import Board
from registry.domain.access import Role
from registry.errors import (
    DatabaseUnavailableError,
    TokenExpiredError,
    TokenRevokedError,
    UnauthenticatedError,
)
from registry.names import PrincipalName, TokenName
from registry.services.authentication import FRESH_US, Authenticator, new_secret
from registry.services.tokens import TokenService
from registry.testing.world import Login, World, grant

BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase


def test_a_secret_proves_its_principal(world: World) -> None:
    """The caller of a secret is its principal, with the token that was used."""
    ada = world.login("ada", grant(Role.READER))
    assert world.authenticator.authenticate(ada.secret) == ada.caller


def test_a_secret_has_the_stated_form() -> None:
    """A secret is hm_, 30 base62 characters and the CRC32 of these 33 in 6 base62 digits."""
    secret = new_secret()
    digits = [BASE62.index(digit) for digit in secret[33:]]
    number = sum(digit * 62**place for place, digit in enumerate(reversed(digits)))
    assert len(secret) == 39
    assert secret.startswith("hm_")
    assert set(secret[3:]) <= set(BASE62)
    assert number == zlib.crc32(secret[:33].encode())


def test_secrets_differ() -> None:
    """No two secrets are alike."""
    assert len({new_secret() for _ in range(1000)}) == 1000


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "hm_",
        "hm_" + "a" * 36,
        "HM_" + "a" * 36,
        "hm_" + "é" * 36,
        "hm_" + "0" * 36 + "\n",
        "x" * 100_000,
        "hm_" + "\ud800" * 36,
        "hm_\x00" + "a" * 35,
    ],
)
def test_what_is_no_secret_is_refused(world: World, secret: str) -> None:
    """Malformed credentials of any kind are UNAUTHENTICATED, and the message does not show them."""
    with pytest.raises(UnauthenticatedError) as refused:
        world.authenticator.authenticate(secret)
    assert not secret[3:] or secret not in str(refused.value)


def test_each_single_typing_error_is_refused_without_asking_the_database(world: World) -> None:
    """The checksum finds every secret in which one character is wrong."""
    secret = world.login("ada").secret
    world.close()
    for place in range(3, len(secret)):
        other = "A" if secret[place] != "A" else "B"
        with pytest.raises(UnauthenticatedError, match="checksum"):
            world.authenticator.authenticate(secret[:place] + other + secret[place + 1 :])


def test_a_well_formed_stranger_is_refused(world: World) -> None:
    """A secret that nobody made here is UNAUTHENTICATED."""
    world.login("ada")
    with pytest.raises(UnauthenticatedError, match="not known"):
        world.authenticator.authenticate(new_secret())


@pytest.mark.parametrize("remembered", [True, False])
def test_a_token_ends_at_its_expiry(world: World, remembered: bool) -> None:
    """From its expiry on a token is refused, remembered or not, and just before it is not."""
    ada = world.login("ada", ttl_us=1_000)
    world.clock.advance(999)
    if remembered:
        world.authenticator.authenticate(ada.secret)
        world.authenticator.caller_of("ada", ada.caller.token.id)
    world.clock.advance(1)
    with pytest.raises(TokenExpiredError):
        world.authenticator.authenticate(ada.secret)
    with pytest.raises(TokenExpiredError):
        world.authenticator.caller_of("ada", ada.caller.token.id)


def test_what_has_begun_may_outlive_its_token(world: World) -> None:
    """Of a transfer that has begun an expired token is taken, a revoked one not; and that it was
    taken lets nobody in who comes anew."""
    ada = world.login("ada", ttl_us=1_000)
    token = ada.caller.token
    world.clock.advance(1_000)
    for _ in range(2):
        assert world.authenticator.caller_of("ada", token.id, begun=True) == ada.caller
        with pytest.raises(TokenExpiredError):
            world.authenticator.caller_of("ada", token.id)
        with pytest.raises(TokenExpiredError):
            world.authenticator.authenticate(ada.secret)
    world.tokens.revoke(ada.caller, TokenName.parse(token.name))
    with pytest.raises(TokenRevokedError):
        world.authenticator.caller_of("ada", token.id, begun=True)


def test_a_revoked_token_is_refused_at_once(world: World) -> None:
    """From the reply to the revocation on, this server takes neither the secret nor its tickets."""
    ada = world.login("ada")
    world.authenticator.authenticate(ada.secret)
    world.authenticator.caller_of("ada", ada.caller.token.id)
    name = TokenName(principal=PrincipalName(principal="ada"), token=ada.caller.token.id)
    world.tokens.revoke(ada.caller, name)
    with pytest.raises(TokenRevokedError):
        world.authenticator.authenticate(ada.secret)
    with pytest.raises(TokenRevokedError):
        world.authenticator.caller_of("ada", ada.caller.token.id)


def test_a_disabled_principal_is_refused_at_once(world: World) -> None:
    """All tokens of a principal die when it is disabled, and live again when it is enabled."""
    root = world.caller("root", grant(Role.ADMIN))
    ada = world.login("ada")
    world.authenticator.authenticate(ada.secret)
    name = PrincipalName(principal="ada")
    for disabled in (True, False):
        world.principals.update(
            root, name, display_name="", grants=(), disabled=disabled, mask=["disabled"], etag=""
        )
        if disabled:
            with pytest.raises(UnauthenticatedError, match="disabled"):
                world.authenticator.authenticate(ada.secret)
        else:
            assert world.authenticator.authenticate(ada.secret).id == "ada"


def test_changed_grants_hold_at_once(world: World) -> None:
    """A grant that is taken away is gone with the next call on the server that took it."""
    root = world.caller("root", grant(Role.ADMIN))
    ada = world.login("ada", grant(Role.READER, "fraud"))
    world.authenticator.authenticate(ada.secret)
    world.principals.update(
        root,
        PrincipalName(principal="ada"),
        display_name="",
        grants=(grant(Role.AUDITOR, "other"),),
        disabled=False,
        mask=["grants"],
        etag="",
    )
    assert world.authenticator.authenticate(ada.secret).roles_on("fraud") == frozenset()


def test_another_processs_revocation_holds_at_once(world: World) -> None:
    """What one process of a server changes is no longer remembered by any other."""
    ada = world.login("ada")
    board = Board.to_share()
    first, second = (
        Authenticator(database=world.database, clock=world.clock, changes=each.callers)
        for each in (board, Board(file=board.file, place=1))
    )
    os.close(board.file)
    second.authenticate(ada.secret)
    tokens = TokenService(database=world.database, clock=world.clock, authenticator=first)
    name = TokenName(principal=PrincipalName(principal="ada"), token=ada.caller.token.id)
    tokens.revoke(ada.caller, name)
    with pytest.raises(TokenRevokedError):
        second.authenticate(ada.secret)


def test_another_servers_revocation_holds_within_five_seconds(world: World) -> None:
    """What another replica changed is seen when what was remembered is no longer fresh."""
    ada = world.login("ada")
    elsewhere = Authenticator(database=world.database, clock=world.clock, changes=Board().callers)
    elsewhere.authenticate(ada.secret)
    name = TokenName(principal=PrincipalName(principal="ada"), token=ada.caller.token.id)
    world.tokens.revoke(ada.caller, name)
    assert elsewhere.authenticate(ada.secret).id == "ada"
    world.clock.advance(FRESH_US)
    assert FRESH_US <= 5_000_000
    with pytest.raises(TokenRevokedError):
        elsewhere.authenticate(ada.secret)


def test_what_changes_during_a_look_up_is_not_remembered(world: World) -> None:
    """A revocation between the read and the remembering is not lost for a few seconds."""
    ada = world.login("ada")
    name = TokenName(principal=PrincipalName(principal="ada"), token=ada.caller.token.id)
    world.database.after_read = lambda: world.tokens.revoke(ada.caller, name)
    world.authenticator.authenticate(ada.secret)
    with pytest.raises(TokenRevokedError):
        world.authenticator.authenticate(ada.secret)


def test_last_use_is_stored_when_flushed(world: World) -> None:
    """A token shows when it was used last, once the notes of uses are stored."""
    ada = world.login("ada")
    world.authenticator.authenticate(ada.secret)
    world.clock.advance(5_000_000)
    world.authenticator.authenticate(ada.secret)
    world.authenticator.flush_last_uses()
    stored = world.database.read(lambda tx: tx.tokens.get("ada", ada.caller.token.id))
    assert stored is not None
    assert stored.last_use_time_us == world.clock.now_us()


def test_uses_survive_a_database_that_is_gone(world: World) -> None:
    """Uses that could not be stored are stored the next time."""
    ada = world.login("ada")
    world.authenticator.authenticate(ada.secret)
    world.database.error = DatabaseUnavailableError(cause="gone")
    with pytest.raises(DatabaseUnavailableError):
        world.authenticator.flush_last_uses()
    world.database.error = None
    world.authenticator.flush_last_uses()
    stored = world.database.read(lambda tx: tx.tokens.get("ada", ada.caller.token.id))
    assert stored is not None
    assert stored.last_use_time_us == world.clock.now_us()


def test_no_secret_is_in_the_database(world: World) -> None:
    """Only a hash is stored: a dump of the database holds nothing that logs in."""
    secret = world.login("ada").secret
    world.close()
    for file in world.folder.iterdir():
        assert secret.encode() not in file.read_bytes()
        assert secret[3:33].encode() not in file.read_bytes()


def test_what_is_remembered_is_bounded(world: World) -> None:
    """However many tokens are used, callers and their uses are found, and memory is bounded."""
    secrets = [world.login(f"p{number}").secret for number in range(5)]
    small = Authenticator(
        database=world.database, clock=world.clock, changes=Board().callers, remembered_max=2
    )
    for _ in range(2):
        assert [small.authenticate(secret).id for secret in secrets] == [f"p{n}" for n in range(5)]


def test_threads_may_share_one_authenticator(world: World) -> None:
    """Sixteen threads that authenticate while tokens are revoked see each revocation."""
    logins = [world.login(f"p{number}") for number in range(16)]

    def use_and_revoke(login: Login) -> bool:
        for _ in range(20):
            world.authenticator.authenticate(login.secret)
        owner = PrincipalName(principal=login.caller.id)
        world.tokens.revoke(login.caller, TokenName(principal=owner, token=login.caller.token.id))
        try:
            world.authenticator.authenticate(login.secret)
        except TokenRevokedError:
            return True
        return False

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(use_and_revoke, logins))


def test_a_scanner_knows_a_secret(world: World) -> None:
    """Secrets match the pattern that is published, and their last six are the CRC32 of the rest."""
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    for secret in (new_secret(), world.login("ada").secret):
        assert re.fullmatch(r"hm_[0-9A-Za-z]{36}", secret)
        number = 0
        for digit in secret[-6:]:
            number = number * 62 + digits.index(digit)
        assert number == zlib.crc32(secret[:-6].encode())
