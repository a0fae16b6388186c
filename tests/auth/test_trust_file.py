"""The file of trusted issuers: what it says, and what is wrong with it, by line."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry.auth.trust_file import read_trust
from registry.domain.workloads import matches
from registry.errors import StartError

EXAMPLE = Path(__file__).parents[2] / "policies" / "workloads.example.yaml"
README = Path(__file__).parents[2] / "registry" / "auth" / "WORKLOADS.md"

GOOD = """\
issuers:
  - issuer: https://a.example
    jwks_url: https://a.example/keys
    audience: https://hub.example
    algorithms: [RS256]
    rules:
      - subject: system:a
        principal: deploy
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "workloads.yaml"


def problems(file: Path, text: str) -> str:
    file.write_text(text, encoding="utf-8")
    with pytest.raises(StartError) as caught:
        read_trust(file)
    return str(caught.value)


def test_the_example_is_good() -> None:
    """What is shipped can be copied: three platforms, each with a rule for a robot."""
    kubernetes, github, gitlab = read_trust(EXAMPLE)
    assert kubernetes.jwks_file == EXAMPLE.parent / "cluster-jwks.json"
    assert github.jwks_url == "https://token.actions.githubusercontent.com/.well-known/jwks"
    assert github.max_lifetime_s == 900
    assert github.rules[0].matches(
        "repo:acme/fraud-scorer:environment:production",
        {"repository_id": "123456789", "ref": "refs/heads/main"},
    )
    assert gitlab.rules[0].claims == ((("project_id",), "42"), (("ref_protected",), "true"))
    assert {rule.principal for rule in (*kubernetes.rules, *github.rules)} == {"deploy", "train"}


def test_defaults_are_the_strict_ones(file: Path) -> None:
    """An hour, 30 s, nbf, no other audience, the system's authorities."""
    file.write_text(GOOD)
    (issuer,) = read_trust(file)
    assert (issuer.max_lifetime_s, issuer.leeway_s, issuer.nbf_required) == (3600, 30, True)
    assert (issuer.other_audiences, issuer.ca_file, issuer.jwks_file) == (frozenset(), None, None)


def test_nested_claims_keep_their_path(file: Path) -> None:
    """Names with dots are names, not paths."""
    file.write_text(
        GOOD + "        claims: {kubernetes.io: {serviceaccount: {uid: abc}}, ref: main}\n"
    )
    (issuer,) = read_trust(file)
    assert issuer.rules[0].claims == (
        (("kubernetes.io", "serviceaccount", "uid"), "abc"),
        (("ref",), "main"),
    )


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("[RS256]", "[HS256]", "line 5: algorithms: found 'HS256', expected some of ES256"),
        ("[RS256]", "[none]", "line 5: algorithms: found 'none'"),
        ("[RS256]", "[]", "line 5: algorithms: found a list, expected a list with items"),
        ("[RS256]", "RS256", "line 5: algorithms: found 'RS256', expected a list"),
        ("https://a.example/keys", "http://a.example/keys", "line 3: jwks_url: found"),
        ("https://a.example/keys", "https://u:p@a.example/keys", "line 3: jwks_url: found"),
        ("https://a.example/keys", "https://a.example:x/keys", "line 3: jwks_url: found"),
        ("    jwks_url: https://a.example/keys\n", "", "line 2: expected one of 'jwks_url'"),
        ("jwks_url", "jwks_uri", "line 3: no such key 'jwks_uri', expected issuer, jwks_url"),
        ("audience", "issuer", "line 4: found the key 'issuer' twice"),
        ("    audience: https://hub.example\n", "", "line 2: an issuer: found no 'audience'"),
        ("audience: https://hub.example", "audience: ''", "line 4: audience: found ''"),
        ("audience: https://hub.example", "audience: 5", "line 4: audience: found '5', expected a"),
        ("system:a", "'*'", "line 7: subject: found '*', expected no wildcard before the first"),
        ("system:a", "'**'", "line 7: subject: found '**'"),
        ("system:a", "'s:***'", "line 7: subject: found 's:***', expected at most 3 wildcards"),
        ("system:a", "'s:*a*b*c*'", "line 7: subject: found 's:*a*b*c*', expected at most 3"),
        ("system:a", '"s:\\0"', "line 7: found a NUL or half of a surrogate, expected text"),
        ("principal: deploy", "principal: De ploy", "line 8: "),
        ("principal: deploy", "principal: true", "line 8: principal: found 'true', expected a"),
        ("        principal: deploy\n", "", "line 7: a rule: found no 'principal'"),
        ("issuers:", "issuer:", "line 1: no such key 'issuer', expected issuers"),
        ("[RS256]", "[RS256]\n    leeway: 61s", "line 6: leeway: found '61s', expected such as"),
        ("[RS256]", "[RS256]\n    leeway: 5", "line 6: leeway: found '5', expected a text"),
        ("[RS256]", "[RS256]\n    max_lifetime: 25h", "line 6: max_lifetime: found '25h'"),
        ("[RS256]", "[RS256]\n    max_lifetime: 0s", "line 6: max_lifetime: found '0s'"),
        ("[RS256]", "[RS256]\n    nbf_required: maybe", "line 6: nbf_required: found 'maybe'"),
        ("[RS256]", "[RS256]\n    jwks_file: k.json", "line 2: expected one of 'jwks_url'"),
    ],
)
def test_a_problem_is_told_with_its_line(file: Path, old: str, new: str, told: str) -> None:
    """What was found, and what is expected in its place."""
    assert old in GOOD
    assert told in problems(file, GOOD.replace(old, new, 1))


def test_all_problems_are_told_at_once(file: Path) -> None:
    """In the order of their lines."""
    text = GOOD.replace("RS256", "HS256").replace("https://a.example/keys", "ftp://x")
    told = problems(file, text.replace("principal", "principle"))
    lines = [int(part.partition(":")[0]) for part in told.split("line ")[1:]]
    assert lines == sorted(lines)
    assert set(lines) == {3, 5, 7, 8}


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("      - {subject: 'system:a', principal: other}\n", "line 9: a rule before has the same"),
        ("        claims: {ref_protected: true}\n", "line 9: claim 'ref_protected': found 'true'"),
        ("        claims: {a: {b: {c: {d: {e: f}}}}}\n", "line 9: claims: nested more than 4 deep"),
        ("        claims: [a]\n", "line 9: found a list, expected claims with keys"),
        (GOOD.partition("\n")[2], "line 2: issuer 'https://a.example' stands here more than once"),
    ],
)
def test_what_contradicts_is_told(file: Path, more: str, told: str) -> None:
    """Rules that could never be told apart, and claims that would match nothing."""
    assert told in problems(file, GOOD + more)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "a: b: c", "- x", "issuers: &a [*a]", "issuers: [7]", "{}\n---\n{}", "\t", "!!x y"],
)
def test_what_is_no_such_file_is_refused(file: Path, text: str) -> None:
    """Whatever it is, the error names the file and how to mend it."""
    told = problems(file, text)
    assert str(file) in told
    assert "policies/workloads.example.yaml" in told


def test_a_missing_file_is_told(file: Path) -> None:
    """Rather than to trust nobody in silence."""
    with pytest.raises(StartError, match="cannot be read"):
        read_trust(file)


@pytest.mark.parametrize(
    ("pattern", "text", "covered"),
    [
        ("a:b", "a:b", True),
        ("a:b", "A:b", False),
        ("a:b", "a:b\n", False),
        ("a:*", "a:b", True),
        ("a:*", "a:", False),
        ("a:*", "a:b:c", False),
        ("a:*", "a:b/c", False),
        ("a:*", "a:b c", False),
        ("a:*", "a:b\u0430", False),
        ("a:**", "a:b:c/d", True),
        ("a:**", "a:", False),
        ("a:**", "a:b\0", False),
        ("a:*:c", "a:b:c", True),
        ("a.c:x", "abc:x", False),
        ("a:**", "a:" + "b" * 254, False),
    ],
)
def test_patterns(pattern: str, text: str, covered: bool) -> None:
    """A star stays within its segment, two cross it, and neither covers nothing."""
    assert matches(pattern, text) is covered


def test_every_key_is_documented() -> None:
    """The tables in WORKLOADS.md have a row for each key of an issuer and of a rule."""
    from registry.auth.trust_file import _ISSUER_KEYS

    text = README.read_text(encoding="utf-8")
    for key in (*_ISSUER_KEYS, "subject", "claims", "principal"):
        assert f"\n| `{key}` |" in text, key


@pytest.mark.parametrize(
    "text", ["s3cr3t: [\n  s3cr3t: }", "s3cr3t\ns3cr3t", "*s3cr3t", "!s3cr3t x"]
)
def test_nothing_is_quoted_of_what_is_no_such_file(text: str, file: Path) -> None:
    """It may be another file, that holds a secret."""
    file.write_text(text)
    with pytest.raises(StartError) as refused:
        read_trust(file)
    assert "s3cr3t" not in str(refused.value)
