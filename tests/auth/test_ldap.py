"""LDAP on a real slapd, with what hostile and broken servers do."""

from __future__ import annotations

import logging
import socket
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from registry.auth.ldap import LdapDirectory
from registry.auth.ldap_accounts import Accounts
from registry.auth.ldap_session import DEAD_US, Entry, Session
from registry.auth.ldap_socket import ANSWER_BYTES_MAX
from registry.auth.remembered import RememberingDirectory
from registry.domain.directory import Account
from registry.errors import DirectoryUnavailableError, StartError
from registry.testing.certificates import Authority, Issued
from registry.testing.clock import FixedClock
from registry.testing.slapd import (
    GROUPS,
    PEOPLE,
    SEARCHER_PASSWORD,
    SIZE_LIMIT,
    SUFFIX,
    SlapdServer,
    dn_of,
    group,
    group_dn,
    person,
)

pytestmark = pytest.mark.slow

Connect = Callable[..., LdapDirectory]
Start = Callable[..., SlapdServer]


def anybody(stable_id: str) -> None:
    """Lets every password be tried."""


def login(directory: LdapDirectory, user: str = "alice", password: str = "") -> object:
    return directory.authenticate(user, password or f"pw-{user}", admit=anybody)


class Listener:
    """A server that takes connections and, beyond what it is told to send, answers nothing."""

    def __init__(self, answer: bytes = b"") -> None:
        self.received = b""
        self.connections = 0
        self._answer = answer
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"ldap://127.0.0.1:{self.port}"

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            with client:
                self.connections += 1
                answer = self._answer
                try:
                    while data := client.recv(65536):
                        self.received += data
                        client.sendall(answer)
                        answer = b""
                except OSError:
                    continue


@contextmanager
def listening(answer: bytes = b"") -> Iterator[Listener]:
    listener = Listener(answer)
    try:
        yield listener
    finally:
        listener.close()


# --- Encryption -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["url", "tls_url"])
def test_a_foreign_authority_is_refused(
    crowd: SlapdServer, connected: Connect, tmp_path: Path, kind: str
) -> None:
    """A certificate that another authority signed lets nobody be asked."""
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other")
    directory = connected(getattr(crowd, kind), ca_file=other.certificate)
    with pytest.raises(DirectoryUnavailableError, match="CERTIFICATE_VERIFY_FAILED"):
        login(directory)


@pytest.mark.parametrize("kind", ["url", "tls_url"])
def test_the_systems_authorities_do_not_vouch_for_it(
    crowd: SlapdServer, connected: Connect, kind: str
) -> None:
    """Without an authority named, those of the system count, and none is not none."""
    with pytest.raises(DirectoryUnavailableError, match="CERTIFICATE_VERIFY_FAILED"):
        login(connected(getattr(crowd, kind), ca_file=None))


@pytest.mark.parametrize("kind", ["url", "tls_url"])
def test_a_certificate_of_another_host_is_refused(
    authority: Authority, start: Start, connected: Connect, kind: str
) -> None:
    """The right authority does not make up for a wrong name."""
    server = start(certificate=authority.issue("ldap.example.test"), ldif=person("alice"))
    with pytest.raises(DirectoryUnavailableError, match="Hostname mismatch"):
        login(connected(getattr(server, kind)))


@pytest.mark.parametrize("kind", ["url", "tls_url"])
def test_a_certificate_that_has_expired_is_refused(
    authority: Authority, start: Start, connected: Connect, kind: str
) -> None:
    """Nor does the right name make up for a certificate of yesterday."""
    server = start(certificate=authority.issue_expired("localhost"), ldif=person("alice"))
    with pytest.raises(DirectoryUnavailableError, match="certificate has expired"):
        login(connected(getattr(server, kind)))


def test_an_address_in_the_certificate_counts(
    authority: Authority, start: Start, connected: Connect
) -> None:
    """A server may be reached by the address that its certificate names."""
    server = start(certificate=authority.issue("127.0.0.1"), ldif=person("alice"))
    assert login(connected(server.tls_url.replace("localhost", "127.0.0.1")))


def test_a_server_without_starttls_gets_no_password(start: Start, connected: Connect) -> None:
    """Where StartTLS is refused, nothing else is said."""
    server = start(certificate=None, ldif=person("alice"))
    with pytest.raises(DirectoryUnavailableError, match="protocolError"):
        login(connected(server.url))


# An extended response that refuses (protocolError), and one that agrees, to message 1.
REFUSES = bytes.fromhex("300c02010178070a010204000400")
AGREES = bytes.fromhex("300c02010178070a010004000400")


@pytest.mark.parametrize("answer", [REFUSES, AGREES], ids=["refuses", "agrees"])
def test_who_strips_encryption_learns_nothing(connected: Connect, answer: bytes) -> None:
    """Somebody in between who keeps a connection from being encrypted sees no password."""
    with listening(answer) as between:
        with pytest.raises(DirectoryUnavailableError):
            login(connected(between.url))
        assert between.connections == 1
    for secret in (SEARCHER_PASSWORD, "pw-alice", "cn=svc"):
        assert secret.encode() not in between.received


# --- Servers that do not answer -------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["ldap", "ldaps"])
def test_a_server_that_hangs_holds_nobody_for_long(connected: Connect, scheme: str) -> None:
    """A server that takes the connection and says nothing is given up."""
    with listening() as silent:
        directory = connected(silent.url.replace("ldap:", f"{scheme}:"), timeout_s=1)
        with pytest.raises(DirectoryUnavailableError, match=r"timed out|no answer"):
            login(directory)


class Dripping(Listener):
    """Takes any bind, then sends an answer without end, in pieces, one each `pause_s`."""

    def __init__(self, piece: bytes, *, is_entry: bool, pause_s: float) -> None:
        self._piece, self._is_entry, self._pause_s = piece, is_entry, pause_s
        self.sent = 0
        super().__init__()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            with client, suppress(OSError):
                client.sendall(answer_to(client.recv(65536), BOUND))
                asked = client.recv(65536)
                piece = answer_to(asked, self._piece) * 1000 if self._is_entry else self._piece
                # A message of 256 MB.
                client.sendall(b"" if self._is_entry else bytes.fromhex("308410000000"))
                for _ in range(10_000):
                    client.sendall(piece)
                    self.sent += len(piece)
                    time.sleep(self._pause_s)


def answer_to(message: bytes, operation: bytes) -> bytes:
    """A message that answers that one: its id follows a tag and a length of one or more bytes."""
    start = 2 if message[1] < 0x80 else 2 + (message[1] & 0x7F)
    id = message[start : start + 2 + message[start + 1]]
    return bytes([0x30, len(id + operation)]) + id + operation


# A bind that succeeded, and an entry that was found.
BOUND = bytes.fromhex("61070a010004000400")
ENTRY = bytes.fromhex("64050401613000")


@pytest.mark.parametrize(
    ("piece", "is_entry", "pause_s"),
    [(b"\0", False, 0.05), (b"\0" * 65536, False, 0.0), (ENTRY, True, 0.001)],
    ids=["slow", "long", "many"],
)
def test_an_answer_without_end(
    connected: Connect, piece: bytes, is_entry: bool, pause_s: float
) -> None:
    """A server that goes on answering holds nobody beyond the time for one answer, nor more than
    so much memory."""
    server = Dripping(piece, is_entry=is_entry, pause_s=pause_s)
    try:
        directory = connected(server.url, start_tls=False, timeout_s=1)
        with pytest.raises(DirectoryUnavailableError, match="search of"):
            login(directory)
        # Beside what the kernel holds of it.
        assert server.sent < 4 * ANSWER_BYTES_MAX
    finally:
        server.close()


def test_a_server_that_talks_rubbish(connected: Connect) -> None:
    """What is no LDAP is an error of the directory's, whatever it makes the parser do."""
    for answer in (b"HTTP/1.1 400 Bad Request\r\n\r\n", b"0" * 300, bytes(range(256)), b"\x30\x84"):
        with listening(answer) as rubbish:
            directory = connected(rubbish.url, start_tls=False, timeout_s=1)
            with pytest.raises(DirectoryUnavailableError):
                login(directory)


def test_the_next_server_is_asked(
    crowd: SlapdServer, connected: Connect, clock: FixedClock
) -> None:
    """Behind one that is dead the next one answers, and the dead one is asked last for a while."""
    with listening() as silent:
        directory = connected(silent.url, crowd.tls_url, timeout_s=1)
        assert login(directory)
        assert login(directory)
        assert silent.connections == 1
        clock.advance(DEAD_US)
        assert login(directory)
        assert silent.connections == 2


def test_one_login_is_all_of_one_server(start: Start, connected: Connect) -> None:
    """Where servers differ, who somebody is, their password and their groups come from one of them;
    and that the second one knows another of that name makes nobody of the first one that other."""
    first = start(ldif="\n".join([person("alice"), group("of-first", [dn_of("alice")])]))
    other = person("alice").replace("pw-alice", "pw-other")
    second = start(ldif="\n".join([other, group("of-second", [dn_of("alice")])]))
    directory = connected(first.tls_url, second.tls_url)
    alice = login(directory)
    assert isinstance(alice, Account)
    assert alice.groups == ("of-first",)
    assert login(directory, "alice", "pw-other") is None
    first.stop()
    assert login(directory) is None
    another = login(directory, "alice", "pw-other")
    assert isinstance(another, Account)
    assert another.groups == ("of-second",)
    assert another.stable_id != alice.stable_id
    assert set(directory.look_up([alice.stable_id, another.stable_id]).accounts) == {
        another.stable_id
    }


def test_a_server_that_is_back_is_asked_again(start: Start, connected: Connect) -> None:
    """Where all are dead, all are asked again."""
    server = start(ldif=person("alice"))
    directory = connected(server.tls_url)
    server.stop()
    with pytest.raises(DirectoryUnavailableError):
        login(directory)
    server.restart()
    assert login(directory)


def test_a_wrong_password_of_our_own_lets_nobody_in(
    crowd: SlapdServer, connected: Connect, tmp_path: Path
) -> None:
    """Without a service account nobody is found, hence nobody is let in."""
    wrong = tmp_path / "wrong"
    wrong.write_text("not-it")
    with pytest.raises(DirectoryUnavailableError, match="does not take the password of cn=svc"):
        login(connected(crowd.tls_url, bind_password_file=wrong))


class Scripted(Listener):
    """Knows the account that searches, finds nobody, and answers other binds with `refusal`."""

    def __init__(self, refusal: bytes) -> None:
        self._refusal = refusal
        self.refused = 0
        super().__init__()

    def _serve(self) -> None:
        clients = []
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                break
            clients.append(threading.Thread(target=self._answer_one, args=(client,)))
            clients[-1].start()
        for each in clients:
            each.join()

    def _answer_one(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            while data := client.recv(65536):
                if SEARCHER_PASSWORD.encode() in data:
                    client.sendall(answer_to(data, BOUND))
                elif b"objectClass" in data:
                    client.sendall(answer_to(data, NOTHING_FOUND))
                elif b"wrong" in data:
                    self.refused += 1
                    client.sendall(answer_to(data, self._refusal))


NOTHING_FOUND = bytes.fromhex("65070a010004000400")


@pytest.mark.parametrize("code", [19, 32, 48, 49, 53])
def test_who_is_not_there_is_refused_whatever_the_server_calls_it(
    connected: Connect, code: int
) -> None:
    """The bind that is made where nobody was found ends as a wrong password does, also where the
    server says that there is no such entry: another refusal would tell who there is."""
    server = Scripted(bytes.fromhex("61070a01") + bytes([code]) + bytes.fromhex("04000400"))
    try:
        assert login(connected(server.url, start_tls=False), "nobody", "wrong") is None
        assert server.refused == 1
    finally:
        server.close()


# --- Referrals ------------------------------------------------------------------------------------


def test_references_to_other_servers_are_never_followed(start: Start, connected: Connect) -> None:
    """Neither a referral nor a reference among the answers makes us talk to another server."""
    with listening() as lure:
        reference = (
            f"dn: ou=far,{PEOPLE}\nobjectClass: referral\nobjectClass: extensibleObject\nou: far\n"
            f"ref: {lure.url}/ou=far,{PEOPLE}\n"
        )
        server = start(extra=f"referral {lure.url}", ldif="\n".join([person("alice"), reference]))
        assert login(connected(server.tls_url))
        for base in (f"ou=far,{PEOPLE}", "dc=elsewhere,dc=test"):
            with pytest.raises(DirectoryUnavailableError, match="referral"):
                login(connected(server.tls_url, user_base=base))
            with pytest.raises(DirectoryUnavailableError, match="referral"):
                login(connected(server.tls_url, group_base=base))
        assert lure.connections == 0


# --- Passwords that are none ----------------------------------------------------------------------


def bound_without_password(server: SlapdServer, dn: str) -> bool:
    """Whether a simple bind with an empty password succeeds, in bytes that no library guards."""
    name = dn.encode()
    bind = bytes([2, 1, 3, 4, len(name)]) + name + b"\x80\x00"
    message = bytes([2, 1, 1, 0x60, len(bind)]) + bind
    port = int(server.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(bytes([0x30, len(message)]) + message)
        return client.recv(1000)[7:10] == bytes([0x0A, 1, 0])


@pytest.mark.parametrize("password", ["", " ", "\0", "\u00ad", "\u200b\u00ad"], ids=ascii)
def test_a_server_that_takes_no_password_for_a_right_one(
    start: Start, connected: Connect, password: str
) -> None:
    """Where a bind without a password "succeeds", it lets nobody in here; nor does a password of
    characters that vanish when they are prepared."""
    server = start(extra="allow bind_anon_cred bind_anon_dn", ldif=person("alice"))
    assert bound_without_password(server, dn_of("alice"))
    assert connected(server.tls_url).authenticate("alice", password, admit=anybody) is None


# --- Sizes ----------------------------------------------------------------------------------------


def test_more_groups_than_the_server_returns_at_once(start: Start, connected: Connect) -> None:
    """All groups are found, page by page, where one answer would be cut off."""
    count = SIZE_LIMIT + 100
    groups = [group(f"g{number:04}", [dn_of("alice")]) for number in range(count)]
    server = start(ldif="\n".join([person("alice"), *groups]))
    account = connected(server.tls_url).authenticate("alice", "pw-alice", admit=anybody)
    assert account is not None
    assert account.groups == tuple(f"g{number:04}" for number in range(count))


def test_too_many_groups_are_an_error(start: Start, connected: Connect) -> None:
    """More groups than are read is told, since one that is left out might be one that denies."""
    groups = [group(f"g{number:04}", [dn_of("alice")]) for number in range(1001)]
    server = start(ldif="\n".join([person("alice"), *groups]))
    with pytest.raises(DirectoryUnavailableError, match="more than 1000"):
        login(connected(server.tls_url))


def test_groups_nested_too_deep_are_an_error(start: Start, connected: Connect) -> None:
    """A chain of groups without an end in sight is told, not cut."""
    chain = [group("g0", [dn_of("alice")])]
    chain += [group(f"g{n}", [group_dn(f"g{n - 1}")]) for n in range(1, 12)]
    server = start(ldif="\n".join([person("alice"), *chain]))
    with pytest.raises(DirectoryUnavailableError, match="nested more than 10 deep"):
        login(connected(server.tls_url))


def test_one_among_many(crowd: SlapdServer, connected: Connect) -> None:
    """Among 1,200 people each is found by name and by id, and a filter that fits all finds none."""
    directory = connected(crowd.tls_url)
    account = directory.authenticate("u0777", "pw-u0777", admit=anybody)
    assert account is not None
    assert account.groups == ("everyone",)
    assert directory.look_up([account.stable_id]).accounts == {account.stable_id: account}
    assert login(directory, "u*", "pw-u0777") is None


def test_a_name_of_several_is_nobodys(start: Start, connected: Connect) -> None:
    """Where a name finds two accounts, neither is taken; nor are the first two of more."""
    twins = [person("alice"), person("bob"), person("carol")]
    server = start(ldif="\n".join(twins).replace("sn: bob", "sn: alice"))
    with pytest.raises(DirectoryUnavailableError, match="several accounts"):
        login(connected(server.tls_url, user_attribute="sn"))
    with pytest.raises(DirectoryUnavailableError, match="several accounts"):
        login(connected(server.tls_url, user_attribute="objectClass"), "user")


@pytest.mark.parametrize(
    "name",
    [
        "Smith\\, J (x*)",
        "\\#1 \\+ 2 \\= 3",
        "a\\\\b",
        "x\\;y/z",
        "trail\\ ",
        "nul-\\00-x",
        "\u202e\u00c5",
    ],
    ids=ascii,
)
def test_entries_whatever_they_are_called(start: Start, connected: Connect, name: str) -> None:
    """Characters that mean something in names or filters keep nobody's groups from being found."""
    dn = f"cn={name},{PEOPLE}"
    entry = person("alice").partition("\n")[2]
    encoded = b64encode(dn.encode()).decode()
    server = start(ldif=f"dn:: {encoded}\n{entry}")
    directory = connected(server.tls_url)
    server.add_ldif(group("inner", [dn]))
    server.add_ldif(group("outer", [group_dn("inner")]))
    alice = login(directory)
    assert isinstance(alice, Account)
    assert alice.groups == ("inner", "outer")
    assert directory.look_up([alice.stable_id]).accounts == {alice.stable_id: alice}


def test_names_of_entries_are_shown_safely(start: Start, connected: Connect) -> None:
    """Line ends and controls in an entry's name neither forge lines of a log nor move a cursor."""
    encoded = b64encode(f"cn=x\\0A\\1B[2J,{PEOPLE}".encode()).decode()
    server = start(ldif=f"dn:: {encoded}\n{person('alice').partition(chr(10))[2]}")
    directory = connected(server.tls_url)
    assert login(directory)
    shown = [text for step in directory.probe("alice") for text in (step.query, step.found)]
    with pytest.raises(DirectoryUnavailableError, match=r"x<U\+000A><U\+001B>\[2J") as refused:
        login(connected(server.tls_url, id_attribute="employeeNumber"))
    assert any("x<U+000A><U+001B>[2J" in text for text in shown)
    assert all(text.isprintable() for text in (*shown, str(refused.value)))


@pytest.mark.parametrize("typed", ["jo\u0308rg", "J\u00d6RG", "\uff4a\u00f6rg"], ids=ascii)
def test_spellings_that_are_one_to_the_directory(
    start: Start, connected: Connect, typed: str
) -> None:
    """Composed or not, wide or not: it is the same account, by the directory's spelling."""
    server = start()
    server.add_ldif(person("j\u00f6rg"))
    directory = connected(server.tls_url)
    account = directory.authenticate(typed, "pw-j\u00f6rg", admit=anybody)
    assert account is not None
    assert account.user == "j\u00f6rg"


@pytest.mark.parametrize(
    "typed",
    [
        "alice\ufe00",
        "al\u0131ce",
        "\u0430lice",
        "alice\u3164",
        "alice\u034f",
        "a\u200dlice",
        "alice\u00a0",
    ],
    ids=ascii,
)
def test_what_only_looks_like_a_name_is_nobodys(
    crowd: SlapdServer, connected: Connect, typed: str
) -> None:
    """Letters of other scripts, and what cannot be seen, make another name."""
    assert connected(crowd.tls_url).authenticate(typed, "pw-alice", admit=anybody) is None


def test_groups_that_hold_each_other(crowd: SlapdServer, connected: Connect) -> None:
    """Rings of groups, and one that holds itself, are held once each."""
    account = connected(crowd.tls_url).authenticate("carol", "pw-carol", admit=anybody)
    assert account is not None
    assert account.groups == ("everyone", "ml-all", "ml-fraud", "ring-a", "ring-b", "self")


# --- Kinds of directories -------------------------------------------------------------------------

GUID = UUID("01234567-89ab-cdef-0123-456789abcdef")


def test_active_directorys_attributes(start: Start, connected: Connect) -> None:
    """By its flag people are found by sAMAccountName, known by objectGUID, disabled by bit 2."""
    raw = "objectGUID:: Z0UjAauJ780BI0VniavN7w=="
    people = [
        person("alice", userAccountControl="512") + raw + "\n",
        person("bob", userAccountControl="514") + raw.replace("Z0Uj", "Z0Uk") + "\n",
    ]
    server = start(ldif="\n".join(people))
    directory = connected(server.tls_url, active_directory=True, disabled_filter="")
    alice = directory.authenticate("alice", "pw-alice", admit=anybody)
    bob = directory.authenticate("bob", "pw-bob", admit=anybody)
    assert alice is not None
    assert bob is not None
    assert (alice.stable_id, alice.disabled, bob.disabled) == (str(GUID), False, True)
    assert directory.look_up([str(GUID)]).accounts == {str(GUID): alice}
    query = directory.probe("alice")[-1].query
    assert f"(member:1.2.840.113556.1.4.1941:={dn_of('alice')})" in query


def test_an_account_ends_at_its_moment(start: Start, connected: Connect, clock: FixedClock) -> None:
    """Active Directory's accountExpires counts to a tenth of a microsecond, from 1601 on; 0, the
    largest number and none at all stand for no end."""
    ticks = (clock.now_us() + 11_644_473_600_000_000) * 10
    lasting, ended = ["0", str(2**63 - 1), "", str(ticks + 10)], [str(ticks), "1"]
    for ends in (*lasting, *ended):
        more = {"userAccountControl": "512", **({"accountExpires": ends} if ends else {})}
        entry = person("alice", **more)
        directory = connected(
            start(ldif=entry).tls_url, active_directory=True, id_attribute="entryUUID"
        )
        alice = login(directory)
        assert isinstance(alice, Account)
        assert alice.disabled is (ends in ended)
        assert directory.look_up([alice.stable_id]).accounts[alice.stable_id] == alice


def test_what_overlays_of_openldap_say_can_be_asked_for(start: Start, connected: Connect) -> None:
    """An account that an administrator locked for good is disabled by a filter that says so; one
    that was locked for wrong passwords is not."""
    overlay = f"overlay ppolicy\nppolicy_default cn=policy,{SUFFIX}"
    server = start(overlays=overlay, ldif=person("alice"))
    directory = connected(server.tls_url, disabled_filter="(pwdAccountLockedTime=000001010000Z)")
    alice = login(directory)
    assert isinstance(alice, Account)
    for locked, disabled in (("20261127000000Z", False), ("000001010000Z", True)):
        server.set(dn_of("alice"), "pwdAccountLockedTime", locked)
        found = directory.look_up([alice.stable_id]).accounts[alice.stable_id]
        assert found.disabled is disabled


def test_who_is_one_of_several_is_nobody(start: Start, connected: Connect) -> None:
    """An account whose stable id has two values is known by neither, and keeps nobody else from
    being found, nor from being found gone."""
    people = [person(name, employeeNumber=f"n-{name}") for name in ("alice", "bob", "carol")]
    server = start(ldif="\n".join(people))
    directory = connected(server.tls_url, id_attribute="employeeNumber")
    for user in ("alice", "bob", "carol"):
        assert login(directory, user)
    # As somebody could who may write their own entry. The attribute is single-valued in schemas.
    two = connected(server.tls_url, id_attribute="mail")
    server.set(dn_of("alice"), "mail", "alice@example.test", "bob@example.test")
    server.add_ldif(person("dave"))
    server.delete(dn_of("carol"))
    with pytest.raises(DirectoryUnavailableError, match="has 2 values"):
        login(two)
    mails = [f"{user}@example.test" for user in ("alice", "bob", "carol", "dave")]
    found = two.look_up(mails)
    assert set(found.accounts) == {mails[3]}
    assert "2 values" in found.unclear[mails[0]]
    assert "several accounts" in found.unclear[mails[1]]
    assert set(found.unclear) == set(mails[:2])


def test_a_connection_that_breaks_at_one_of_many(
    crowd: SlapdServer, connected: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever makes the directory hang up is unclear; the others are found over another
    connection. Where it always hangs up, all are left as they are."""
    directory = connected(crowd.tls_url)
    users = [f"u{number:04}" for number in range(20)]
    with directory.servers.session() as session:
        entries = [directory.accounts.by_name(session, user) for user in users]
    ids = [directory.accounts.stable_id(entry) for entry in entries if entry]
    account = Accounts.account
    breaking = {ids[3], ids[7]}

    def break_at(self: Accounts, session: Session, entry: Entry, *rest: Any, **more: Any) -> Any:
        if self.stable_id(entry) in breaking:
            session._connection.socket.shutdown(socket.SHUT_RDWR)
        return account(self, session, entry, *rest, **more)

    monkeypatch.setattr(Accounts, "account", break_at)
    found = directory.look_up(ids)
    assert set(found.unclear) == breaking
    assert set(found.accounts) == set(ids) - breaking
    breaking.add(ids[11])
    with pytest.raises(DirectoryUnavailableError, match="3 connections broke"):
        directory.look_up(ids)


def test_an_attribute_that_cannot_be_read_is_not_taken_for_well(
    crowd: SlapdServer, connected: Connect
) -> None:
    """Whether somebody is disabled, and who they are, has to be seen, not assumed."""
    blind = connected(crowd.tls_url, active_directory=True, id_attribute="uid", disabled_filter="")
    with pytest.raises(DirectoryUnavailableError, match="userAccountControl"):
        login(blind)
    with pytest.raises(DirectoryUnavailableError, match="employeeNumber"):
        login(connected(crowd.tls_url, id_attribute="employeeNumber"))


def test_groups_that_hold_names(start: Start, connected: Connect) -> None:
    """Groups of the POSIX kind hold names instead of DNs."""
    posix = f"dn: cn=unix,{GROUPS}\nobjectClass: posixGroup\ncn: unix\nmemberUid: alice\n"
    server = start(ldif="\n".join([person("alice"), person("bob"), posix]))
    directory = connected(server.tls_url, member_attribute="memberUid")
    for user, groups in (("alice", ("unix",)), ("bob", ())):
        account = directory.authenticate(user, f"pw-{user}", admit=anybody)
        assert account is not None
        assert account.groups == groups


# --- Lockout, memory, secrets ---------------------------------------------------------------------


def test_what_locks_out_there_is_a_refusal_here(start: Start, connected: Connect) -> None:
    """An account that the directory has locked is refused like a wrong password."""
    policy = (
        f"dn: cn=policy,{SUFFIX}\nobjectClass: device\nobjectClass: pwdPolicy\ncn: policy\n"
        "pwdAttribute: userPassword\npwdLockout: TRUE\npwdMaxFailure: 5\n"
    )
    overlay = f"overlay ppolicy\nppolicy_default cn=policy,{SUFFIX}"
    server = start(overlays=overlay, ldif="\n".join([person("alice"), policy]))
    directory = connected(server.tls_url)
    for _ in range(4):
        assert login(directory, "alice", "wrong") is None
    assert login(directory)
    for _ in range(5):
        assert login(directory, "alice", "wrong") is None
    assert login(directory) is None


def test_a_right_password_is_remembered_for_a_minute(
    start: Start, connected: Connect, clock: FixedClock
) -> None:
    """For a short while it is right without asking; a wrong one is always asked about."""
    server = start(ldif=person("alice"))
    directory = RememberingDirectory(connected(server.tls_url), clock=clock, ttl_s=60)
    assert directory.authenticate("alice", "pw-alice", admit=anybody)
    server.stop()
    clock.advance(60_000_000 - 1)
    assert directory.authenticate("alice", "pw-alice", admit=anybody)
    for user, password in (("alice", "wrong"), ("alic", "epw-alice"), ("alicep", "w-alice")):
        with pytest.raises(DirectoryUnavailableError):
            directory.authenticate(user, password, admit=anybody)
    clock.advance(1)
    with pytest.raises(DirectoryUnavailableError):
        directory.authenticate("alice", "pw-alice", admit=anybody)


def test_who_is_found_disabled_is_remembered_no_longer(
    start: Start, connected: Connect, clock: FixedClock
) -> None:
    """A look that finds an account disabled ends what was remembered of its password."""
    server = start(ldif=person("alice"))
    directory = RememberingDirectory(connected(server.tls_url), clock=clock, ttl_s=60)
    alice = directory.authenticate("alice", "pw-alice", admit=anybody)
    assert alice is not None
    server.set(dn_of("alice"), "employeeType", "disabled")
    directory.look_up([alice.stable_id])
    again = directory.authenticate("alice", "pw-alice", admit=anybody)
    assert again is not None
    assert again.disabled


def test_no_secret_is_shown(
    crowd: SlapdServer, connected: Connect, caplog: pytest.LogCaptureFixture, clock: FixedClock
) -> None:
    """No password stands in a log, an error or a repr, whether it was right or wrong."""
    caplog.set_level(logging.DEBUG)
    directory = connected(crowd.tls_url)
    remembering = RememberingDirectory(directory, clock=clock, ttl_s=60)
    account = remembering.authenticate("alice", "pw-alice", admit=anybody)
    remembering.authenticate("alice", "canary-wrong", admit=anybody)
    broken = connected("ldaps://127.0.0.1:1")
    with pytest.raises(DirectoryUnavailableError) as refused:
        broken.authenticate("alice", "canary-wrong", admit=anybody)
    shown = [caplog.text, str(refused.value), repr(refused.value), repr(account)]
    shown += [repr(each) for each in (directory, directory.settings, directory.servers)]
    shown += [repr(remembering), repr(vars(remembering)), repr(directory.probe("alice"))]
    for secret in ("pw-alice", "canary-wrong", SEARCHER_PASSWORD):
        assert not any(secret in text for text in shown)


@pytest.mark.parametrize("content", ["", "\n", " ", "two\nlines\n", "nul\0"], ids=ascii)
def test_a_password_file_without_a_password_stops_the_start(
    connected: Connect, tmp_path: Path, content: str
) -> None:
    """A file that holds anything but one password is told at the start, without showing it."""
    file = tmp_path / "bad"
    file.write_text(content)
    with pytest.raises(StartError, match="not exactly one line"):
        connected("ldaps://localhost", bind_password_file=file)


def test_an_authority_that_is_none_stops_the_start(
    connected: Connect, tmp_path: Path, certificate: Issued
) -> None:
    """A file that is missing, or holds no certificate, is told at the start."""
    for file in (tmp_path / "none", certificate.key):
        with pytest.raises(StartError, match="HALLMARK_LDAP_CA_FILE"):
            connected("ldaps://localhost", ca_file=file)
