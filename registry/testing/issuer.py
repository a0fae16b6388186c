"""An issuer of platform tokens: keys of each kind, tokens good and bad, a key set behind HTTPS."""

from __future__ import annotations

import base64
import http.server
import json
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

from registry.testing.certificates import Authority

AUDIENCE = "https://hallmark.example.com"
KUBERNETES = "https://kubernetes.default.svc.cluster.local"
GITHUB = "https://token.actions.githubusercontent.com"
GITLAB = "https://gitlab.example.com"
KEYS_PATH = "/keys"

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


@cache
def private_key(name: str) -> PrivateKey:
    """One of this name for the run; "rsa...", "rsa1024", "p256...", "p384..." or "ed25519..."."""
    if name.startswith("rsa"):
        return rsa.generate_private_key(65537, 1024 if name == "rsa1024" else 2048)
    if name.startswith("p256"):
        return ec.generate_private_key(ec.SECP256R1())
    if name.startswith("p384"):
        return ec.generate_private_key(ec.SECP384R1())
    return ed25519.Ed25519PrivateKey.generate()


def jwk_of(name: str, **members: object) -> dict[str, Any]:
    """The public part of `private_key(name)`, its name as key id, with further members."""
    names = {"rsa": "RS256", "p256": "ES256", "p384": "ES384"}
    algorithm = next((a for kind, a in names.items() if name.startswith(kind)), "EdDSA")
    public = private_key(name).public_key()
    found = get_default_algorithms()[algorithm].to_jwk(public, as_dict=True)
    return {**found, "kid": name, "use": "sig", **members}


def key_set(*names: str) -> bytes:
    return json.dumps({"keys": [jwk_of(name) for name in names]}).encode()


def encoded(data: bytes | Mapping[str, object]) -> str:
    """In base64url without padding; what is no bytes yet as JSON."""
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def sign(
    claims: bytes | Mapping[str, object],
    *,
    key: str | bytes = "rsa",
    algorithm: str = "RS256",
    header: bytes | Mapping[str, object] | None = None,
) -> str:
    """A token as anybody could make it: `key` names a private key, or is a shared secret."""
    if header is None:
        header = {"alg": algorithm, "typ": "JWT", "kid": key if isinstance(key, str) else "rsa"}
    signed = f"{encoded(header)}.{encoded(claims)}"
    found: Any = private_key(key) if isinstance(key, str) else key
    signature = get_default_algorithms()[algorithm].sign(signed.encode(), found)
    return f"{signed}.{encoded(signature)}"


def kubernetes_claims(now_s: int, **changes: object) -> dict[str, object]:
    """As an API server signs them for a projected token; a change to None leaves a claim out."""
    return _changed(
        {
            "aud": [AUDIENCE],
            "exp": now_s + 600,
            "iat": now_s,
            "iss": KUBERNETES,
            "jti": "3a1f0cf6-6f2b-4f3e-9f10-0d9f2c1f9d11",
            "kubernetes.io": {
                "namespace": "serving",
                "node": {"name": "node-1", "uid": "5d7f6b2e-6a52-4f5a-9d5e-2f1c4f8c2c11"},
                "pod": {"name": "deployer-1", "uid": "c6f0b0a4-8a55-4f58-8a52-9a9f1a9d2c22"},
                "serviceaccount": {
                    "name": "deployer",
                    "uid": "14ee3fa4-a7e2-420f-9f9a-1d2e3f405162",
                },
            },
            "nbf": now_s,
            "sub": "system:serviceaccount:serving:deployer",
        },
        changes,
    )


def github_claims(now_s: int, **changes: object) -> dict[str, object]:
    return _changed(
        {
            "jti": "example-id",
            "sub": "repo:acme/fraud-scorer:environment:production",
            "environment": "production",
            "aud": AUDIENCE,
            "ref": "refs/heads/main",
            "ref_protected": "true",
            "repository": "acme/fraud-scorer",
            "repository_id": "123456789",
            "repository_owner": "acme",
            "repository_owner_id": "424242",
            "workflow": "deploy",
            "iss": GITHUB,
            "nbf": now_s - 5,
            "exp": now_s + 300,
            "iat": now_s,
        },
        changes,
    )


def gitlab_claims(now_s: int, **changes: object) -> dict[str, object]:
    return _changed(
        {
            "namespace_path": "ml",
            "project_id": "42",
            "project_path": "ml/scorer",
            "pipeline_id": "7",
            "ref": "main",
            "ref_type": "branch",
            "ref_protected": "true",
            "jti": "c82eeb0c-5c6f-4a33-abf5-4c474b92b558",
            "iss": GITLAB,
            "iat": now_s,
            "nbf": now_s - 5,
            "exp": now_s + 3600,
            "sub": "project_path:ml/scorer:ref_type:branch:ref:main",
            "aud": AUDIENCE,
        },
        changes,
    )


def _changed(claims: dict[str, object], changes: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in {**claims, **changes}.items() if value is not None}


@dataclass
class IssuerSite:
    """What the HTTPS side answers, and how often it was asked."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    url: str = ""


@contextmanager
def serving_keys(folder: Path, body: bytes) -> Iterator[tuple[IssuerSite, Authority]]:
    """A key set on a loopback port, with a certificate of the authority that comes with it."""
    authority = Authority(folder)
    issued = authority.issue("127.0.0.1")
    site = IssuerSite(body=body)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.asked.append(self.path)
            self.send_response(site.status)
            for name, value in {"Content-Length": str(len(site.body)), **site.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(site.body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: tests look at `asked`."""

    class Quiet(http.server.ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """A client that hangs up, as one that does not trust us does, is no news."""

    server = Quiet(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.certificate, issued.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    site.url = f"https://127.0.0.1:{server.server_address[1]}{KEYS_PATH}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield site, authority
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
