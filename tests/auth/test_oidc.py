"""Platform tokens that are good, and how far trust goes."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from registry.auth.keys import IssuerKeys
from registry.auth.oidc import OidcVerifier
from registry.domain.workloads import Cause, WorkloadRule
from registry.errors import WorkloadRefusedError
from registry.testing.clock import FixedClock
from registry.testing.issuer import (
    AUDIENCE,
    KUBERNETES,
    github_claims,
    gitlab_claims,
    jwk_of,
    key_set,
    kubernetes_claims,
    sign,
)
from registry.testing.trust import Published, trusted, verifier

S = 1_000_000
NOW_US = FixedClock().now_us()
NOW = NOW_US // S
GITHUB_HEADER = {"alg": "RS256", "typ": "JWT", "kid": "rsa-github", "x5t": "example-thumbprint"}

GOOD: dict[str, tuple[str, Callable[[], str]]] = {
    "Kubernetes": ("deploy", lambda: sign(kubernetes_claims(NOW))),
    "GitHub": ("deploy", lambda: sign(github_claims(NOW), key="rsa-github", header=GITHUB_HEADER)),
    "GitHub, by pattern": (
        "train",
        lambda: sign(
            github_claims(NOW, sub="repo:acme/train-a:ref:refs/heads/x/y"), key="rsa-github"
        ),
    ),
    "GitLab": ("train", lambda: sign(gitlab_claims(NOW), key="rsa-gitlab")),
    "RS512": ("deploy", lambda: sign(kubernetes_claims(NOW), algorithm="RS512")),
    "PS256": ("deploy", lambda: sign(kubernetes_claims(NOW), algorithm="PS256")),
    "ES256": ("deploy", lambda: sign(kubernetes_claims(NOW), key="p256", algorithm="ES256")),
    "ES384": ("deploy", lambda: sign(kubernetes_claims(NOW), key="p384", algorithm="ES384")),
    "EdDSA": ("deploy", lambda: sign(kubernetes_claims(NOW), key="ed25519", algorithm="EdDSA")),
    "audience as text": ("deploy", lambda: sign(kubernetes_claims(NOW, aud=AUDIENCE))),
    "without a type": (
        "deploy",
        lambda: sign(kubernetes_claims(NOW), header={"alg": "RS256", "kid": "rsa"}),
    ),
    "clock 30 s behind": (
        "deploy",
        lambda: sign(kubernetes_claims(NOW, iat=NOW + 30, nbf=NOW + 30)),
    ),
    "ended 29 s ago": (
        "deploy",
        lambda: sign(kubernetes_claims(NOW, iat=NOW - 600, nbf=NOW - 600, exp=NOW - 29)),
    ),
}


def cause_of(call: Callable[[], object]) -> str:
    with pytest.raises(WorkloadRefusedError) as caught:
        call()
    return caught.value.cause


@pytest.mark.parametrize("name", GOOD)
def test_a_good_token_is_taken(name: str) -> None:
    """Each platform's, and each algorithm's, leads to the robot of the one rule that matches."""
    principal, make = GOOD[name]
    found = verifier().verify(make(), NOW_US)
    assert found.principal == principal
    assert found.rule in (1, 2)


def test_what_is_told_of_a_workload() -> None:
    """Issuer, subject, rule, and the end of the platform's token with the leeway."""
    found = verifier().verify(sign(kubernetes_claims(NOW)), NOW_US)
    assert (found.issuer, found.rule) == (KUBERNETES, 1)
    assert found.subject == "system:serviceaccount:serving:deployer"
    assert found.expire_time_us == (NOW + 630) * S
    assert found.creator == f"workload:{KUBERNETES}"


def test_a_token_ends_when_it_says() -> None:
    """To the microsecond, and the leeway is all that is added."""
    token = sign(kubernetes_claims(NOW))
    end_us = (NOW + 630) * S
    assert verifier().verify(token, end_us - 1).principal == "deploy"
    assert cause_of(lambda: verifier().verify(token, end_us)) == Cause.EXPIRED


def test_a_refusal_says_what_was_claimed() -> None:
    """Issuer and subject, safe to print and shortened, for the audit log."""
    token = sign(kubernetes_claims(NOW, sub="x\x1b[2J" + "y" * 1000, aud="z"))
    with pytest.raises(WorkloadRefusedError) as caught:
        verifier().verify(token, NOW_US)
    assert caught.value.issuer == KUBERNETES
    assert caught.value.subject.startswith("x<U+001B>[2Jyyy")
    assert len(caught.value.subject) < 220


def test_other_audiences_have_to_be_configured() -> None:
    """A token for several is taken where each of them is expected, and ours is among them."""
    both = sign(kubernetes_claims(NOW, aud=[AUDIENCE, "https://vault.example"]))
    open_to = trusted(KUBERNETES, other_audiences=frozenset({"https://vault.example"}))
    assert verifier(open_to).verify(both, NOW_US).principal == "deploy"
    alone = sign(kubernetes_claims(NOW, aud=["https://vault.example"]))
    assert cause_of(lambda: verifier(open_to).verify(alone, NOW_US)) == Cause.AUDIENCE


def test_nbf_may_be_left_out_where_the_issuer_never_sends_it() -> None:
    """Only then; one that is sent still counts."""
    without = trusted(KUBERNETES, nbf_required=False)
    token = sign(kubernetes_claims(NOW, nbf=None))
    assert verifier(without).verify(token, NOW_US).principal == "deploy"
    later = sign(kubernetes_claims(NOW, nbf=NOW + 60))
    assert cause_of(lambda: verifier(without).verify(later, NOW_US)) == Cause.NOT_YET_VALID


def test_nested_claims_pin_the_account_itself() -> None:
    """A rule may ask for what stands deeper, such as the account's uid; an account that was made
    anew under the same name is another one."""
    path = ("kubernetes.io", "serviceaccount", "uid")
    uid = "14ee3fa4-a7e2-420f-9f9a-1d2e3f405162"
    for wanted, good in ((uid, True), (uid[:-1] + "0", False)):
        rule = WorkloadRule(
            principal="deploy",
            subject="system:serviceaccount:serving:deployer",
            claims=((path, wanted),),
        )
        pinned = verifier(trusted(KUBERNETES, rules=(rule,)))
        token = sign(kubernetes_claims(NOW))
        if good:
            assert pinned.verify(token, NOW_US).principal == "deploy"
        else:
            assert cause_of(lambda check=pinned, t=token: check.verify(t, NOW_US)) == Cause.RULE  # type: ignore[misc]


def test_a_new_key_is_found_and_an_old_one_gone() -> None:
    """A token under a key that was just published is taken after one more look; one under a key
    that is no longer published is refused from then on."""
    source = Published(key_set("rsa"))
    check = OidcVerifier([(trusted(KUBERNETES), IssuerKeys(KUBERNETES, source))])
    old = sign(kubernetes_claims(NOW))
    new = sign(kubernetes_claims(NOW), key="rsa-new")
    assert check.verify(old, NOW_US).principal == "deploy"
    source.document = key_set("rsa-new")
    assert check.verify(new, NOW_US + 15 * S).principal == "deploy"
    assert cause_of(lambda: check.verify(old, NOW_US + 15 * S)) == Cause.KEY
    assert source.reads == 2


def test_a_key_that_says_its_algorithm_is_for_no_other() -> None:
    """A key stated for RS256 checks no PS256, though it could."""
    document = json.dumps({"keys": [jwk_of("rsa", alg="RS256")]}).encode()
    check = OidcVerifier([(trusted(KUBERNETES), IssuerKeys(KUBERNETES, Published(document)))])
    assert check.verify(sign(kubernetes_claims(NOW)), NOW_US).principal == "deploy"
    other = sign(kubernetes_claims(NOW), algorithm="PS256")
    assert cause_of(lambda: check.verify(other, NOW_US)) == Cause.ALGORITHM


def test_a_weak_key_checks_nothing() -> None:
    """An RSA key of 1024 bits is as if it were not published."""
    document = json.dumps({"keys": [jwk_of("rsa1024"), jwk_of("rsa")]}).encode()
    check = OidcVerifier([(trusted(KUBERNETES), IssuerKeys(KUBERNETES, Published(document)))])
    header = {"alg": "RS256", "kid": "rsa1024"}
    weak = sign(kubernetes_claims(NOW), key="rsa1024", header=header)
    assert cause_of(lambda: check.verify(weak, NOW_US)) == Cause.KEY


def test_many_wildcards_take_no_time() -> None:
    """The worst subject for the worst pattern that a file may hold is judged at once."""
    rule = WorkloadRule(principal="deploy", subject="a:" + "**-" * 3 + "z")
    slow = verifier(trusted(KUBERNETES, rules=(rule,)))
    token = sign(kubernetes_claims(NOW, sub="a:" + "-" * 253))
    assert cause_of(lambda: slow.verify(token, NOW_US)) == Cause.RULE
