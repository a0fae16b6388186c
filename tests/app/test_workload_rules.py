"""From the settings to a verifier: what the rules name is tried at the start."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry import config
from registry.app.workloads import workload_verifier
from registry.errors import IssuerUnavailableError, StartError, WorkloadRefusedError
from registry.testing.clock import FixedClock
from registry.testing.issuer import AUDIENCE, KUBERNETES, key_set, kubernetes_claims, sign

CLOCK = FixedClock()
TOKEN = sign(kubernetes_claims(CLOCK.now_us() // 1_000_000))


def verify(folder: Path, keys: str) -> str:
    """The robot for a good token, under rules with these lines about keys."""
    rules = folder / "workloads.yaml"
    rules.write_text(
        f"issuers:\n  - issuer: {KUBERNETES}\n    audience: {AUDIENCE}\n{keys}"
        "    algorithms: [RS256]\n"
        "    rules: [{subject: 'system:serviceaccount:serving:*', principal: deploy}]\n"
    )
    settings = config.load({"HALLMARK_WORKLOADS_FILE": str(rules)})
    return workload_verifier(settings, CLOCK).verify(TOKEN, CLOCK.now_us()).principal


def test_keys_come_from_a_file_beside_the_rules(tmp_path: Path) -> None:
    """Without any network."""
    (tmp_path / "keys.json").write_bytes(key_set("rsa"))
    assert verify(tmp_path, "    jwks_file: keys.json\n") == "deploy"


def test_without_rules_nobody_is_trusted() -> None:
    """The default takes no platform's token."""
    verifier = workload_verifier(config.load({}), CLOCK)
    with pytest.raises(WorkloadRefusedError, match="no issuer is trusted"):
        verifier.verify(TOKEN, CLOCK.now_us())


@pytest.mark.parametrize("content", [None, "", '{"keys": []}'])
def test_a_key_file_without_keys_stops_the_start(tmp_path: Path, content: str | None) -> None:
    """Rather than to refuse every token later on."""
    if content is not None:
        (tmp_path / "keys.json").write_text(content)
    with pytest.raises(StartError, match=r"Key file .*keys\.json of issuer"):
        verify(tmp_path, "    jwks_file: keys.json\n")


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_certificate_file_without_one_stops_the_start(
    tmp_path: Path, content: str | None
) -> None:
    """With the file's name and what it takes."""
    if content is not None:
        (tmp_path / "ca.pem").write_text(content)
    keys = "    jwks_url: https://127.0.0.1:9/keys\n    ca_file: ca.pem\n"
    with pytest.raises(StartError, match=r"Certificate file .*ca\.pem of issuer"):
        verify(tmp_path, keys)


def test_an_issuer_that_is_down_stops_no_start(tmp_path: Path) -> None:
    """Only its tokens have to wait."""
    with pytest.raises(IssuerUnavailableError):
        verify(tmp_path, "    jwks_url: https://127.0.0.1:9/keys\n")
