"""Tokens that nobody may get in with: each is refused, and for the right reason."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping

import pytest
from cryptography.hazmat.primitives import serialization

from registry.domain.workloads import Cause
from registry.errors import WorkloadRefusedError
from registry.testing.clock import FixedClock
from registry.testing.issuer import (
    AUDIENCE,
    GITHUB,
    GITLAB,
    KUBERNETES,
    encoded,
    github_claims,
    gitlab_claims,
    jwk_of,
    kubernetes_claims,
    private_key,
    sign,
)
from registry.testing.trust import verifier

NOW_US = FixedClock().now_us()
NOW = NOW_US // 1_000_000
HEADER = {"alg": "RS256", "typ": "JWT", "kid": "rsa"}
GOOD = kubernetes_claims(NOW)
JSON = json.dumps(GOOD).encode()


def claimed(**changes: object) -> str:
    """Signed by the right key: only what it claims is wrong."""
    return sign(kubernetes_claims(NOW, **changes))


def headed(**changes: object) -> str:
    """Signed by the right key, under a header with changes; one to None leaves a name out."""
    header = {name: value for name, value in {**HEADER, **changes}.items() if value is not None}
    return sign(GOOD, header=header)


def raw(payload: bytes) -> str:
    return sign(payload)


def of_good(change: Callable[[str, str, str], str]) -> str:
    header, payload, signature = sign(GOOD).split(".")
    return change(header, payload, signature)


def unsigned(header: Mapping[str, object], signature: str = "") -> str:
    return f"{encoded(header)}.{encoded(GOOD)}.{signature}"


def public_pem(name: str) -> bytes:
    return (
        private_key(name)
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def by_public_key(secret: bytes, **header: object) -> str:
    """HS256, keyed with what everybody knows: the public key's text."""
    signed = f"{encoded({'alg': 'HS256', 'typ': 'JWT', 'kid': 'rsa', **header})}.{encoded(GOOD)}"
    mac = hmac.digest(secret, signed.encode(), hashlib.sha256)
    return f"{signed}.{encoded(mac)}"


def other_bits(part: str) -> str:
    """The same bytes in another spelling: the unused bits of the last character set."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    assert len(part) % 4, "no unused bits"
    other = part[:-1] + alphabet[alphabet.index(part[-1]) + 1]
    padding = "=" * (-len(part) % 4)
    assert base64.urlsafe_b64decode(other + padding) == base64.urlsafe_b64decode(part + padding)
    return other


def subject(text: str) -> str:
    return claimed(sub=text)


M, H, A, K, S = Cause.MALFORMED, Cause.HEADER, Cause.ALGORITHM, Cause.KEY, Cause.SIGNATURE
C, R = Cause.CLAIMS, Cause.RULE

FORGED: dict[str, tuple[Cause, Callable[[], str]]] = {
    # Form.
    "empty": (M, lambda: ""),
    "a token of ours": (M, lambda: "hm_" + "0" * 36),
    "two parts": (M, lambda: of_good(lambda h, p, s: f"{h}.{p}")),
    "four parts": (M, lambda: of_good(lambda h, p, s: f"{h}.{p}.{s}.{s}")),
    "encrypted": (M, lambda: ".".join([encoded({"alg": "RSA-OAEP", "enc": "A256GCM"})] * 5)),
    "stripped signature": (M, lambda: of_good(lambda h, p, s: f"{h}.{p}.")),
    "padded signature": (M, lambda: of_good(lambda h, p, s: f"{h}.{p}.{s}==")),
    "padded payload": (M, lambda: of_good(lambda h, p, s: f"{h}.{p}=.{s}")),
    "other spelling of the signature": (
        M,
        lambda: of_good(lambda h, p, s: f"{h}.{p}.{other_bits(s)}"),
    ),
    "plain base64": (M, lambda: of_good(lambda h, p, s: f"{h}.{p}.{s[:-1]}+")),
    "cut off": (M, lambda: of_good(lambda h, p, s: f"{h}.{p}.{s[:1]}")),
    "white space": (M, lambda: sign(GOOD) + "\n"),
    "oversize": (M, lambda: claimed(x="x" * 16_384)),
    "no JSON": (M, lambda: raw(b"not json")),
    "a list": (M, lambda: raw(b"[1]")),
    "a quoted token": (M, lambda: raw(json.dumps(sign(GOOD)).encode())),
    "encoded twice": (M, lambda: raw(encoded(GOOD).encode())),
    "nested deep": (M, lambda: raw(b"[" * 11_000)),
    "NaN": (M, lambda: raw(JSON[:-1] + b', "x": NaN}')),
    "no UTF-8": (M, lambda: raw(JSON[:-1] + b', "x": "\xff"}')),
    "UTF-16": (M, lambda: raw(json.dumps(GOOD).encode("utf-16"))),
    "a claim twice": (M, lambda: raw(JSON[:-1] + b', "sub": "system:serviceaccount:a:b"}')),
    "a nested name twice": (M, lambda: raw(JSON[:-1] + b', "x": {"a": 1, "a": 2}}')),
    "a header twice": (
        M,
        lambda: sign(GOOD, header=b'{"alg":"none","alg":"RS256","typ":"JWT","kid":"rsa"}'),
    ),
    # Header.
    "crit": (H, lambda: headed(crit=["exp"])),
    "empty crit": (H, lambda: headed(crit=[])),
    "b64": (H, lambda: headed(b64=False)),
    "jku": (H, lambda: headed(jku="https://evil.example/keys")),
    "x5u": (H, lambda: headed(x5u="https://evil.example/cert.pem")),
    "x5c": (H, lambda: headed(x5c=["MIIB"])),
    "embedded key": (
        H,
        lambda: sign(GOOD, key="rsa-evil", header={**HEADER, "jwk": jwk_of("rsa-evil")}),
    ),
    "nested": (H, lambda: headed(cty="JWT")),
    "compressed": (H, lambda: headed(zip="DEF")),
    "an access token's type": (H, lambda: headed(typ="at+jwt")),
    "type of another kind": (H, lambda: headed(typ=["JWT"])),
    "no key id": (H, lambda: headed(kid=None)),
    "key id of another kind": (H, lambda: headed(kid=["rsa"])),
    "empty key id": (H, lambda: headed(kid="")),
    "path in the key id": (H, lambda: headed(kid="../../../../dev/null")),
    "SQL in the key id": (H, lambda: headed(kid="' UNION SELECT 'x' --")),
    "address in the key id": (H, lambda: headed(kid="https://evil.example/key")),
    "NUL in the key id": (H, lambda: headed(kid="rsa\0")),
    # Issuer.
    "no issuer": (Cause.ISSUER, lambda: claimed(iss=None)),
    "issuer with a slash more": (Cause.ISSUER, lambda: claimed(iss=KUBERNETES + "/")),
    "issuer in capitals": (Cause.ISSUER, lambda: claimed(iss=KUBERNETES.upper())),
    "issuer over http": (Cause.ISSUER, lambda: claimed(iss=KUBERNETES.replace("https", "http"))),
    "issuer below ours": (Cause.ISSUER, lambda: claimed(iss=KUBERNETES + ".evil.example")),
    "list of issuers": (Cause.ISSUER, lambda: claimed(iss=[KUBERNETES])),
    # Algorithm and key.
    "none": (A, lambda: unsigned({**HEADER, "alg": "none"}, "AA")),
    "None": (A, lambda: unsigned({**HEADER, "alg": "NoNe"}, "AA")),
    "HS256 with the public key": (A, lambda: by_public_key(public_pem("rsa"))),
    "HS256 with the key set's text": (
        A,
        lambda: by_public_key(json.dumps(jwk_of("rsa")).encode(), kid="rsa"),
    ),
    "no algorithm": (A, lambda: headed(alg=None)),
    "list of algorithms": (A, lambda: headed(alg=["RS256"])),
    "algorithm in small letters": (A, lambda: headed(alg="rs256")),
    "ES256 under an RSA key": (
        A,
        lambda: sign(GOOD, key="p256", header={**HEADER, "alg": "ES256"}, algorithm="ES256"),
    ),
    "RS256 under an EC key": (A, lambda: headed(kid="p256")),
    "ES384 under a P-256 key": (A, lambda: headed(alg="ES384", kid="p256")),
    "EdDSA under an RSA key": (A, lambda: headed(alg="EdDSA")),
    "not the issuer's algorithm": (
        A,
        lambda: sign(github_claims(NOW), key="rsa-github", algorithm="PS256"),
    ),
    "unknown key": (K, lambda: sign(GOOD, key="rsa-evil")),
    "key of another issuer": (K, lambda: sign(github_claims(NOW), key="rsa")),
    # Signature.
    "another's key under this id": (S, lambda: sign(GOOD, key="rsa-evil", header=HEADER)),
    "another issuer's key under this id": (
        S,
        lambda: sign(github_claims(NOW), key="rsa-gitlab", header={**HEADER, "kid": "rsa-github"}),
    ),
    "signature of another payload": (
        S,
        lambda: of_good(lambda h, p, s: f"{h}.{encoded({**GOOD, 'sub': 'x'})}.{s}"),
    ),
    "signature of another header": (
        S,
        lambda: of_good(lambda h, p, s: f"{encoded({**HEADER, 'x': 1})}.{p}.{s}"),
    ),
    "PS256 header on an RS256 signature": (S, lambda: headed(alg="PS256")),
    "zero signature": (S, lambda: unsigned({**HEADER, "alg": "ES256", "kid": "p256"}, "A" * 86)),
    "one bit of the signature": (
        S,
        lambda: of_good(lambda h, p, s: f"{h}.{p}.{'B' if s[0] == 'A' else 'A'}{s[1:]}"),
    ),
    # Times.
    "ended": (Cause.EXPIRED, lambda: claimed(iat=NOW - 700, nbf=NOW - 700, exp=NOW - 30)),
    "no end": (C, lambda: claimed(exp=None)),
    "no start": (C, lambda: claimed(iat=None)),
    "no beginning": (C, lambda: claimed(nbf=None)),
    "end as text": (C, lambda: claimed(exp=str(NOW + 600))),
    "end as fraction": (C, lambda: claimed(exp=NOW + 600.5)),
    "end as boolean": (C, lambda: claimed(exp=True)),
    "huge end": (C, lambda: claimed(exp=10**30)),
    "infinite end": (C, lambda: raw(JSON.replace(str(NOW + 600).encode(), b"1e999"))),
    "negative start": (C, lambda: claimed(iat=-1)),
    "from later on": (Cause.NOT_YET_VALID, lambda: claimed(nbf=NOW + 31)),
    "made later": (Cause.NOT_YET_VALID, lambda: claimed(iat=NOW + 31)),
    "lives too long": (Cause.LIFETIME, lambda: claimed(exp=NOW + 3601)),
    "lives for a year": (Cause.LIFETIME, lambda: claimed(exp=NOW + 365 * 86_400)),
    "ends before it starts": (
        Cause.LIFETIME,
        lambda: claimed(iat=NOW + 20, nbf=NOW, exp=NOW + 10),
    ),
    # Audience.
    "no audience": (Cause.AUDIENCE, lambda: claimed(aud=None)),
    "empty audience": (Cause.AUDIENCE, lambda: claimed(aud="")),
    "empty list of audiences": (Cause.AUDIENCE, lambda: claimed(aud=[])),
    "another audience": (Cause.AUDIENCE, lambda: claimed(aud=["https://vault.example.com"])),
    "ours among others": (Cause.AUDIENCE, lambda: claimed(aud=[AUDIENCE, "https://v.example"])),
    "audience with a slash more": (Cause.AUDIENCE, lambda: claimed(aud=AUDIENCE + "/")),
    "audience in a list of lists": (Cause.AUDIENCE, lambda: claimed(aud=[[AUDIENCE]])),
    "audience as object": (Cause.AUDIENCE, lambda: claimed(aud={AUDIENCE: 1})),
    # Subject and rules.
    "no subject": (Cause.SUBJECT, lambda: claimed(sub=None)),
    "empty subject": (Cause.SUBJECT, lambda: subject("")),
    "list of subjects": (Cause.SUBJECT, lambda: claimed(sub=[GOOD["sub"]])),
    "NUL behind the subject": (Cause.SUBJECT, lambda: subject(f"{GOOD['sub']}\0")),
    "newline behind the subject": (Cause.SUBJECT, lambda: subject(f"{GOOD['sub']}\n")),
    "half a character": (
        Cause.SUBJECT,
        lambda: raw(JSON.replace(b":deployer", b":deployer\\ud800")),
    ),
    "endless subject": (Cause.SUBJECT, lambda: subject("system:" * 100)),
    "another account": (R, lambda: subject("system:serviceaccount:serving:default")),
    "another namespace": (R, lambda: subject("system:serviceaccount:dev:deployer")),
    "account that begins alike": (R, lambda: subject("system:serviceaccount:serving:deployer2")),
    "subject in capitals": (R, lambda: subject("system:serviceaccount:SERVING:deployer")),
    "subject with a blank": (R, lambda: subject("system:serviceaccount:serving:deployer ")),
    "Cyrillic e": (R, lambda: subject("system:serviceaccount:serving:d\u0435ployer")),
    "full-width colon": (R, lambda: subject("system:serviceaccount:serving\uff1adeployer")),
    "a star": (R, lambda: subject("system:serviceaccount:serving:*")),
    "two rules": (Cause.AMBIGUOUS, lambda: subject("system:serviceaccount:twice:both")),
    "star across a colon": (R, lambda: subject("system:serviceaccount:twice:a:b")),
    "nothing for a star": (R, lambda: subject("system:serviceaccount:twice:")),
    "confusable for a star": (R, lambda: subject("system:serviceaccount:twice:\u0430")),
    "another repository number": (
        R,
        lambda: sign(github_claims(NOW, repository_id="1"), key="rsa-github"),
    ),
    "repository number as number": (
        R,
        lambda: sign(github_claims(NOW, repository_id=123456789), key="rsa-github"),
    ),
    "another branch": (
        R,
        lambda: sign(github_claims(NOW, ref="refs/heads/main2"), key="rsa-github"),
    ),
    "no environment": (
        R,
        lambda: sign(github_claims(NOW, sub="repo:acme/fraud-scorer:ref:x"), key="rsa-github"),
    ),
    "another owner": (
        R,
        lambda: sign(
            github_claims(NOW, sub="repo:acme2/train-a:ref:refs/heads/m"), key="rsa-github"
        ),
    ),
    "star across a slash": (
        R,
        lambda: sign(
            github_claims(NOW, sub="repo:acme/train-a/b:ref:refs/heads/m"), key="rsa-github"
        ),
    ),
    "unprotected branch": (
        R,
        lambda: sign(gitlab_claims(NOW, ref_protected="false"), key="rsa-gitlab"),
    ),
    "protected as boolean": (
        R,
        lambda: sign(gitlab_claims(NOW, ref_protected=True), key="rsa-gitlab"),
    ),
    "subject of another issuer": (
        R,
        lambda: sign(gitlab_claims(NOW, sub=GOOD["sub"]), key="rsa-gitlab"),
    ),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_token_is_refused_for_the_right_reason(name: str) -> None:
    """No verdict but this one, with words that hold no more of the token than they have to."""
    cause, make = FORGED[name]
    token = make()
    with pytest.raises(WorkloadRefusedError) as caught:
        verifier().verify(token, NOW_US)
    assert caught.value.cause == cause, str(caught.value)
    text = f"{caught.value} {caught.value.metadata}"
    assert text.isprintable()
    assert len(str(caught.value)) < 700
    signature = token.rpartition(".")[2]
    assert len(signature) < 8 or signature not in text


def test_the_table_is_long_enough() -> None:
    """Every cause that a verifier can find is in the table, and none of the three is spared."""
    assert len(FORGED) >= 100
    assert {cause for cause, _ in FORGED.values()} == set(Cause) - {Cause.PRINCIPAL}
    assert {KUBERNETES, GITHUB, GITLAB} == {
        claims(NOW)["iss"] for claims in (kubernetes_claims, github_claims, gitlab_claims)
    }
