"""Everything that handles a secret, done through every entry, well and badly.

What any of it says, wherever, is heard by the canaries; see `canaries.py`.
"""

from __future__ import annotations

import base64
import http.client
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import grpc
import pytest
from google.protobuf.message import Message

from registry.cli import exits
from registry.client import Client
from registry.client.credentials import exchanged_folder, load_logins, store_path
from registry.client.errors import ClientError
from registry.client.http import tls_context
from registry.client.values import File
from registry.testing.canaries import Canaries
from registry.testing.command import CommandLine, Done
from registry.testing.issuer import encoded, kubernetes_claims, sign
from registry.testing.people import vetted
from registry.testing.receiver import Receiver, replies
from registry.testing.server import RunningServer, ServerProcess
from registry.testing.sound import weights
from registry.v1 import identity_pb2, principals_pb2, server_pb2, webhooks_pb2, workloads_pb2

NAMESPACE = "fraud"
MODEL = f"{NAMESPACE}/scorer"
#: One failure more than the server takes.
WRONG_PASSWORDS = 5

TypeIn = Callable[..., None]


class CanaryStory:
    """One server, and all that is done to it. `hallmark` is the command line."""

    def __init__(
        self,
        canaries: Canaries,
        server: RunningServer | ServerProcess,
        hallmark: CommandLine,
        monkeypatch: pytest.MonkeyPatch,
        folder: Path,
        *,
        ca_file: Path | None = None,
    ) -> None:
        self.canaries = canaries
        self.server = server
        self._hallmark = hallmark
        self._monkeypatch = monkeypatch
        self._folder = folder
        self._ca_file = ca_file
        #: One of each kind that the registry makes, and more.
        self.tokens = [server.admin_token]
        canaries.add("admin token", server.admin_token)
        monkeypatch.setenv("HALLMARK_URL", server.http_url)
        if ca_file is not None:
            monkeypatch.setenv("HALLMARK_CA_FILE", str(ca_file))

    # --- Ways to say something --------------------------------------------------------------------

    def command(self, *words: str, token: str = "", but: tuple[str, ...] = ()) -> Done:
        """A command, with and without --json where that changes nothing. `token=""`: as admin."""
        self._monkeypatch.setenv("HALLMARK_TOKEN", token or self.server.admin_token)
        done = self._hallmark(*words)
        self.canaries.hear(f"hallmark {' '.join(words[:2])}", f"{done.out}\n{done.err}", but=but)
        return done

    def both(self, *words: str, token: str = "", but: tuple[str, ...] = ()) -> Done:
        """For people and for programs; the second answer."""
        self.command(*words, token=token, but=but)
        return self.command(*words, "--json", token=token, but=but)

    @contextmanager
    def client(self, token: str) -> Iterator[Client]:
        with Client(self.server.http_url, token=token, patience_s=0.2) as client:
            yield client

    def refused(self, place: str, call: Callable[[], object]) -> None:
        """A call of the client's that has to fail; what it says is heard."""
        try:
            call()
        except ClientError as error:
            told = (str(error), repr(error), error.metadata, error.field_violations)
            self.canaries.hear(f"error of {place}", repr(told))
            return
        raise AssertionError(f"{place} was not refused")

    def call(self, method: str, request: Message, authorization: str | None) -> None:
        """A bare call, with this in its metadata; the answer is heard, reply or error."""
        metadata = () if authorization is None else (("authorization", authorization),)
        options: list[tuple[str, object]] = []
        if self._ca_file is None:
            channel = grpc.insecure_channel(self.server.grpc_target, options)
        else:
            trusted = grpc.ssl_channel_credentials(self._ca_file.read_bytes())
            channel = grpc.secure_channel(self.server.grpc_target, trusted, options)
        with channel:
            data = request.SerializeToString()
            try:
                unary: Callable[..., bytes] = channel.unary_unary(f"/registry.v1.{method}")
                reply = unary(data, metadata=metadata, timeout=60)
            except grpc.RpcError as error:
                self.canaries.hear(f"refusal of {method}", repr((error, _details(error))))
            else:
                self.canaries.hear(f"reply of {method}", reply)

    def request(
        self, method: str, target: str, headers: dict[str, str] | None = None, body: bytes = b""
    ) -> int:
        """A bare HTTP request; the answer is heard whole."""
        parts = urlsplit(self.server.http_url)
        assert parts.hostname is not None
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
        if self._ca_file is not None:
            connection = http.client.HTTPSConnection(
                parts.hostname, parts.port, timeout=60, context=tls_context(self._ca_file)
            )
        try:
            connection.request(method, target, body or None, headers or {})
            answer = connection.getresponse()
            whole = repr(answer.getheaders()).encode() + answer.read()
        finally:
            connection.close()
        self.canaries.hear(f"answer to HTTP {method} {target[:8]}", whole)
        return answer.status

    # --- Tokens -----------------------------------------------------------------------------------

    def people(self) -> None:
        """alice and a robot get tokens, of each kind and in each way."""
        assert self.command("namespace", "create", NAMESPACE).code == 0
        roles = ("registrant", "deployer", "reviewer")
        grants = [f"--grant={role}:{NAMESPACE}" for role in roles]
        assert self.command("principal", "create", "alice", *grants).code == 0
        robot = ("principal", "create", "deploy", "--kind", "robot")
        assert self.command(*robot, f"--grant=deployer:{NAMESPACE}").code == 0
        self.alice = self._token("personal token", "token", "create", "alice", "--label", "laptop")
        self.robot = self._token("robot token", "token", "create", "deploy", "--label", "cluster")
        with self.client(self.alice) as client:
            caller = client.principals.caller()
            assert caller.token is not None
            name = caller.token.name
        rotated = ("token", "rotate", name, "--overlap", "1h")
        self.rotated = self._token("rotated token", *rotated)
        self.both("token", "list", "alice")
        self.both("whoami", token=self.rotated)
        revoked = self._token("revoked token", "token", "create", "alice")
        self.command("whoami", token=revoked)
        with self.client(revoked) as client:
            held = client.principals.caller().token
            assert held is not None
        assert self.both("token", "revoke", held.name).code == 0
        self.both("whoami", token=revoked)
        self.revoked = revoked

    def _token(self, name: str, *words: str) -> str:
        """A new secret, which this one answer holds."""
        done = self.command(*words, but=(name,))
        assert done.code == 0, done
        secret = self.canaries.add(name, done.out.strip())
        self.tokens.append(secret)
        return secret

    def bad_tokens(self) -> None:
        """Malformed, unknown, expired, misplaced: nothing of a credential is said back."""
        with self.client(self.server.admin_token) as admin:
            soon = datetime.now(UTC) + timedelta(seconds=1.5)
            made = admin.tokens.create("alice", expire_time=soon)
        expired = self.canaries.add("expired token", made.secret)
        damaged = self.alice[:-1] + ("0" if self.alice[-1] != "0" else "1")
        get = principals_pb2.GetCallerRequest()
        basic = base64.b64encode(f"alice:{self.alice}".encode()).decode()
        for authorization in (
            f"Bearer {damaged}",
            f"Bearer {self.alice} {self.robot}",
            f"bearer: {self.alice}",
            f"Basic {basic}",
            self.alice,
            f"Bearer {self.revoked}",
            f"Bearer {self.alice}",
        ):
            self.call("PrincipalService/GetCaller", get, authorization)
        self.both("whoami", token=damaged)
        # What is pasted where a name belongs.
        self.both("token", "revoke", self.alice)
        self.both("resolve", f"{MODEL}@{self.alice}", token=self.alice)
        self.both("principal", "show", self.alice)
        self.both("auth", "explain", self.alice, "version.fetch", "*")
        self.command("whoami", "--url", f"http://alice:{self.alice}@127.0.0.1:1")
        self.command("whoami", "--url", f"http://127.0.0.1:1/?token={self.alice}")
        self.command("login", f"http://{self.alice}@127.0.0.1:1")
        self.command("login", self.server.http_url, "--token-file", self.alice)
        for target in (f"/?token={self.alice}", f"/{self.alice}", f"/dl/{self.alice}"):
            names = ("Authorization", "Proxy-Authorization", "Cookie", "X-Api-Key")
            self.request("GET", target, dict.fromkeys(names, f"Bearer {self.alice}"))
        self.request("GET", "/hallmark/v1/server", {"If-Match": self.alice, "Host": self.alice})
        self.request(self.alice, "/hallmark/v1/server")
        self.call("ServerService/GetServerInfo", server_pb2.GetServerInfoRequest(), self.alice)
        time.sleep(max(0.0, (soon - datetime.now(UTC)).total_seconds()) + 0.1)
        self.both("whoami", token=expired)
        self.call("PrincipalService/GetCaller", get, f"Bearer {expired}")

    # --- Logins -----------------------------------------------------------------------------------

    def logins(self, user: str, password: str, type_in: TypeIn) -> None:
        """Right, wrong, throttled, and with the password typed as the name."""
        self._monkeypatch.delenv("HALLMARK_TOKEN", raising=False)
        name = f"login token {user}"
        type_in(user, password)
        done = self._hallmark("login", self.server.http_url)
        assert done.code == 0, done
        self.canaries.hear("hallmark login", done.out + done.err)
        stored = load_logins(store_path()).servers[self.server.http_url].token
        self.tokens.append(self.canaries.add(name, stored))
        self.canaries.hear("hallmark whoami", repr(self._hallmark("whoami", "--json")))
        wrong = self.canaries.make("wrong password")
        with Client(self.server.http_url, token="", patience_s=0.2) as client:
            self.refused("login by password", lambda: client.identity.login(password, wrong))
            for _ in range(WRONG_PASSWORDS):
                self.refused("login", lambda: client.identity.login(user, wrong))
            self.refused("a long login", lambda: client.identity.login(user, wrong * 100))
        request = identity_pb2.LoginRequest(user=user, password=wrong + "\0")
        self.call("IdentityService/Login", request, None)
        type_in(user, wrong)
        done = self._hallmark("login", self.server.http_url)
        assert done.code != 0
        self.canaries.hear("hallmark login, refused", done.out + done.err)

    def workloads(self) -> None:
        """A platform's tokens, taken and refused for each of several reasons."""
        now_s = int(time.time())
        good = self._jwt("good", sign(kubernetes_claims(now_s)))
        assert self.both("whoami", token=good).code == 0
        header = {"alg": "none", "typ": "JWT"}
        forged = f"{encoded(header)}.{encoded(kubernetes_claims(now_s))}.{good.split('.')[2]}"
        for name, token in (
            ("forged", sign(kubernetes_claims(now_s), key="rsa-other")),
            ("expired", sign(kubernetes_claims(now_s - 90_000))),
            ("other subject", sign(kubernetes_claims(now_s, sub="system:serviceaccount:a:b"))),
            ("other issuer", sign(kubernetes_claims(now_s, iss="https://elsewhere.example"))),
            ("of no algorithm", forged),
            ("in five parts", f"{good}.a.b"),
        ):
            bad = self._jwt(name, token)
            self.both("whoami", token=bad)
            request = workloads_pb2.ExchangeTokenRequest(jwt=bad)
            self.call("WorkloadService/ExchangeToken", request, None)
            get = principals_pb2.GetCallerRequest()
            self.call("PrincipalService/GetCaller", get, f"Bearer {bad}")
        with self.client(good) as client:
            assert client.principals.caller().principal.id == "deploy"
        for file in exchanged_folder().iterdir():
            secret = json.loads(file.read_text())["secret"]
            self.canaries.add("exchanged token", secret)
            self.tokens.append(secret)

    def _jwt(self, name: str, token: str) -> str:
        self.canaries.add(f"signature of JWT, {name}", token.split(".")[2])
        return token

    # --- Webhooks ---------------------------------------------------------------------------------

    def webhooks(self, receiver: Receiver, base_url: str) -> None:
        """Made, rotated, changed, tried on a receiver that fails and says back what it got.

        Its URL is shown to those who may change it, and to nobody else."""
        path, query = self.canaries.make_word("webhook path"), self.canaries.make_word("its query")
        url = f"{base_url}/hook/{path}?key={query}"
        shown = ("webhook path", "its query")
        made = self.command("webhook", "create", url, NAMESPACE, but=(*shown, "webhook secret"))
        assert made.code == 0, made
        self._webhook_secret("webhook secret", made.out.strip())
        id = made.err.partition("Made webhook ")[2].partition(".")[0]
        rotated = self.command("webhook", "rotate", id, but=(*shown, "rotated webhook secret"))
        self._webhook_secret("rotated webhook secret", rotated.out.strip())
        for behaviour in (
            replies(503, f"X-Echo: {url}", body=f"{url} {made.out}".encode()),
            replies(302, f"Location: {url}/elsewhere"),
            replies(204),
        ):
            receiver.behaviour = behaviour
            self.command("webhook", "test", id, "--json")
        self.both("webhook", "deliveries", id)
        self.both("webhook", "show", id, but=shown)
        self.both("webhook", "list", but=shown)
        self.both("webhook", "show", id, token=self.alice)
        self.both("webhook", "update", id, "--description", "mine", but=shown)
        for bad in (
            f"https://user:{path}@127.0.0.1/",
            f"https://169.254.169.254/{path}",
            f"ftp://example.com/{path}",
            f"https://example.com/{path}#{query}",
            f"{path}",
            f"https://[{path}/",
        ):
            done = self.both("webhook", "create", bad, NAMESPACE)
            assert done.code == 2, done
        self.both("webhook", "update", id, "--to", f"https://a:{path}@example.com/")
        request = webhooks_pb2.CreateWebhookRequest()
        request.webhook.url, request.webhook.namespace_pattern = url, NAMESPACE
        self.call("WebhookService/CreateWebhook", request, f"Bearer {self.alice}")

    def _webhook_secret(self, name: str, secret: str) -> None:
        self.canaries.add(name, secret)
        self.canaries.add_bytes(name, base64.b64decode(secret.removeprefix("whsec_")))

    # --- Bytes ------------------------------------------------------------------------------------

    def transfers(self) -> None:
        """Pushed and pulled, then addresses used wrongly and too late."""
        model = self._folder / "model"
        model.mkdir()
        (model / "README.md").write_text("---\nlicense: mit\n---\n# Scorer\n")
        (model / "weights.safetensors").write_bytes(weights(bytes(range(256)) * 100))
        assert self.both("push", str(model), MODEL, token=self.rotated).code == 0
        out = self._folder / "out"
        file = File(path="a.bin", size_bytes=3, sha256="ab" * 32)
        with self.client(self.rotated) as client:
            vetted(client, f"{MODEL}@1")
            assert self.both("pull", f"{MODEL}@1", str(out), token=self.rotated).code == 0
            (download, *_) = client.transfers.create_downloads(f"models/{MODEL}/versions/1")
            (upload,) = client.transfers.create_upload(MODEL, [file]).files
            self.canaries.hear("repr of addresses", repr((download, upload)))
        for name, url in (("download ticket", download.url), ("upload ticket", upload.url)):
            self.canaries.add(name, url.rpartition(".")[2])
            target = urlsplit(url).path
            ticket = target.rpartition("/")[2]
            for method in ("GET", "HEAD", "PATCH", "POST"):
                self.request(method, target, body=b"abc")
                self.request(method, f"{target}/more", body=b"abc")
                self.request(method, f"{target}x", body=b"abc")
            self.request("GET", target, {"Range": "bytes=9999999-", "If-Match": f'"{ticket}"'})
            patch = {"Content-Type": "application/offset+octet-stream", "Upload-Offset": "7"}
            self.request("PATCH", target, patch, b"abc")
            self.request("PATCH", target, {**patch, "Upload-Offset": "0"}, b"abc")
            self.both("resolve", f"{MODEL}@{ticket}", token=self.rotated)
        self.both("promote", f"{MODEL}@1", "production", token=self.rotated)
        self.both("decide", "promotion/1", "--approve", token=self.rotated)
        self.both("delete", MODEL, token=self.robot)

    def evidence(self, home: Path, settings: dict[str, str]) -> None:
        """What is looked at afterwards, and what an operator runs beside the server."""
        for words in (
            ("events", "--limit", "0"),
            ("audit", "list", "--limit", "0"),
            ("audit", "checkpoint"),
            ("principal", "list"),
            ("inbox", "--all"),
            ("info",),
        ):
            self.both(*words)
        for form in ("jsonl", "syslog"):
            done = self.command("audit", "export", "--format", form)
            assert done.code == 0, done
        for name, value in settings.items():
            self._monkeypatch.setenv(name, value)
        self.both("auth", "test", "--user", "trainer1", "--home", str(home))
        self.both("fsck", "--home", str(home))
        self.both("audit", "verify", "--home", str(home))
        for name in settings:
            self._monkeypatch.delenv(name)

    def while_broken(self) -> None:
        """What is said where the database fails in the middle of it, or there is no server."""
        nowhere = self.command("whoami", "--url", "http://127.0.0.1:1")
        assert nowhere.code == exits.UNREACHABLE
        path = self.canaries.make_word("path of a webhook that failed")
        url = f"http://127.0.0.1:1/{path}"
        assert self.both("webhook", "create", url, NAMESPACE).code == exits.UNREACHABLE
        assert self.both("token", "create", "alice").code == exits.UNREACHABLE
        password = self.canaries.make("password that nobody could try")
        request = identity_pb2.LoginRequest(user="trainer1", password=password)
        self.call("IdentityService/Login", request, None)
        good = self._jwt("that nobody could take", sign(kubernetes_claims(int(time.time()))))
        exchange = workloads_pb2.ExchangeTokenRequest(jwt=good)
        self.call("WorkloadService/ExchangeToken", exchange, None)


def _details(error: grpc.RpcError) -> object:
    failed: object = error
    assert isinstance(failed, grpc.Call)
    return failed.details(), failed.trailing_metadata(), failed.initial_metadata()
