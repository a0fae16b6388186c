"""LDAP servers that are hostile, broken, or not who they should be."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from registry.auth.ldap import LdapDirectory
from registry.auth.ldap_session import DEAD_US
from registry.auth.ldap_socket import ANSWER_BYTES_MAX
from registry.domain.directory import Account
from registry.errors import DirectoryUnavailableError
from registry.testing.certificates import Authority
from registry.testing.clock import FixedClock
from registry.testing.directory import anybody, login
from registry.testing.slapd import (
    PEOPLE,
    SEARCHER_PASSWORD,
    SlapdServer,
    dn_of,
    group,
    person,
)

pytestmark = pytest.mark.slow

Connect = Callable[..., LdapDirectory]
Start = Callable[..., SlapdServer]


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
    plain = r"wrap[a-z ]* error: \[SSL: CERTIFICATE_VERIFY_FAILED\] [^'\"]*\)\. Nobody"
    with pytest.raises(DirectoryUnavailableError, match=plain):
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
