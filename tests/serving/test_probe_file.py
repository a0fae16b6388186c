"""The file of servers to probe on, addresses and keys: what is taken, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry.errors import InvalidFieldError, StartError
from registry.serving.probe_file import KEYS, read_probes
from registry.serving.probe_names import LEFT_AFTER_S, is_left_over, throw_away_name
from registry.serving.probe_rules import RULES
from registry.serving.probe_target import ProbeTarget, headers_of, parse_url

POLICIES = Path(__file__).parents[2] / "policies"
DOCUMENTATION = Path(__file__).parents[2] / "registry" / "serving" / "PROBE.md"


def test_the_example_is_good() -> None:
    """What is shipped can be copied; files are taken from its folder."""
    (stage, target), *_ = read_probes(POLICIES / "triton-probes.example.yaml").items()
    assert stage == "staging"
    assert target == ProbeTarget(
        host="triton-probe.staging.example.com",
        port=8001,
        is_tls=True,
        ca_file=POLICIES / "company-ca.pem",
        key_files={"admin-key": POLICIES / "triton-admin-key"},
        load_timeout_s=600.0,
        infer_timeout_s=60.0,
    )


def test_all_problems_are_told_with_their_lines(tmp_path: Path) -> None:
    file = tmp_path / "probes.yaml"
    file.write_text(
        """probes:
  Staging:
    url: grpc://127.0.0.1:8001
  canary:
    url: http://127.0.0.1:8001
    load_timeout: soon
  production:
    url: grpc://127.0.0.1:8001
    ca_file: company.pem
    certificate_file: own.pem
    colour: red
    keys: s3cret
  test:
    keys: {"a b": ""}
"""
    )
    with pytest.raises(StartError) as caught:
        read_probes(file)
    told = str(caught.value)
    for part in (
        "line 2: stage: found 'Staging'",
        "line 5: probe: found 'http://127.0.0.1:8001', expected grpc://HOST:PORT",
        "line 6: load_timeout: found 'soon', expected such as 5m",
        "line 11: no such key 'colour'",
        "line 7: found one of certificate_file and certificate_key_file, expected both",
        "line 8: certificates only go with grpcs://",
        "line 12: keys: expected a name with its file for each",
        "line 13: 'test': found no 'url'",
        "found 'a b', expected letters",
        "a b: expected a path",
        "policies/triton-probes.example.yaml",
    ):
        assert part in told
    assert "s3cret" not in told


@pytest.mark.parametrize("text", ["", "probes: []", "servers: {}", "probes: &a {}"])
def test_a_file_without_probes_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "probes.yaml"
    file.write_text(text)
    with pytest.raises(StartError):
        read_probes(file)
    with pytest.raises(StartError, match="cannot be read"):
        read_probes(tmp_path / "none.yaml")


def test_every_key_is_documented() -> None:
    text = DOCUMENTATION.read_text(encoding="utf-8")
    assert [key for key in KEYS if f"`{key}`" not in text] == []


def test_every_rule_is_documented() -> None:
    """And has a number of its own."""
    text = DOCUMENTATION.read_text(encoding="utf-8")
    assert [rule.id for rule in RULES] == [f"PROBE-{n}" for n in range(1, len(RULES) + 1)]
    assert [rule.id for rule in RULES if f"| `{rule.id}` |" not in text] == []


@pytest.mark.parametrize(
    ("url", "address", "is_tls"),
    [
        ("grpc://triton:8001", "triton:8001", False),
        ("grpcs://triton.example.com", "triton.example.com:8001", True),
        ("grpc://[::1]:9/", "[::1]:9", False),
    ],
)
def test_addresses(url: str, address: str, is_tls: bool) -> None:
    host, port, tls = parse_url(url)
    assert (ProbeTarget(host=host, port=port).address, tls) == (address, is_tls)


@pytest.mark.parametrize(
    "url",
    [
        *("", "triton:8001", "http://triton:8000", "grpc://", "grpc://u:p@h:1", "grpc://h:0"),
        *("grpc://h:99999", "grpc://h:1/path", "grpc://h:1?a=b", "grpc://[::1"),
    ],
)
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(InvalidFieldError):
        parse_url(url)


def test_keys_are_read_from_files_and_never_told(tmp_path: Path) -> None:
    """Blanks around them are the editor's. What holds no key is told by its path alone."""
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.write_text("  canary\n")
    bad.write_bytes(b"canary\nsecond\n")
    assert headers_of({"Admin-Key": good}) == {"triton-grpc-protocol-admin-key": "canary"}
    with pytest.raises(ValueError, match="bad holds no key") as caught:
        headers_of({"admin-key": bad})
    assert "canary" not in str(caught.value)


def test_names_tell_their_age() -> None:
    """Those of a probe that may still run, of another's clock, and of people are left alone."""
    now_s = 1_800_000_000
    old = throw_away_name(now_s - LEFT_AFTER_S - 1)
    assert is_left_over(old, now_s)
    assert not is_left_over(throw_away_name(now_s - LEFT_AFTER_S), now_s)
    assert not is_left_over(throw_away_name(now_s + 10_000), now_s)
    assert not is_left_over(f"{old}0", now_s)
    assert not is_left_over("hallmark-probe-mine", now_s)
    assert throw_away_name(now_s) != throw_away_name(now_s)
