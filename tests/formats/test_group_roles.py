"""The mapping file: read strictly, all problems at once."""

from __future__ import annotations

import pytest

from registry.domain.access import Grant, Role
from registry.domain.group_roles import GroupRule
from registry.errors import StartError
from registry.formats.group_roles import parse_group_roles

GOOD = """
# Who may do what.
grants:
- group: ml-fraud
  role: registrant
  namespaces: [fraud, "fraud-*"]
- {group: "Security Team", role: security, namespaces: ["*"], deny: false}
"""


def test_each_pattern_is_a_rule() -> None:
    """An entry gives its role on each of its patterns, in the file's order."""
    rules = parse_group_roles(GOOD.encode(), path="roles.yaml").rules
    assert rules == (
        GroupRule(group="ml-fraud", role=Role.REGISTRANT, namespace_pattern="fraud"),
        GroupRule(group="ml-fraud", role=Role.REGISTRANT, namespace_pattern="fraud-*"),
        GroupRule(group="Security Team", role=Role.SECURITY, namespace_pattern="*"),
    )


def test_members_are_given_what_their_groups_are() -> None:
    """Groups count in any case, each grant once, and no group gives what is not its own."""
    roles = parse_group_roles(GOOD.encode(), path="roles.yaml")
    assert roles.grants_of(("security team", "SECURITY TEAM", "ml")) == (
        Grant(role=Role.SECURITY, namespace_pattern="*"),
    )
    assert roles.grants_of(()) == ()


ENTRY = "- group: g\n  role: reader\n  namespaces: [a]\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "expected a list under the key `grants`"),
        ("grants: {}", "expected a list"),
        ("roles: []", "found the key 'roles'"),
        ("grants:\n- 3", "line 2: expected the keys group, role"),
        (f"grants:\n{ENTRY}  color: red\n", "line 5: found the key 'color'"),
        (f"grants:\n{ENTRY}  role: admin\n", "line 5: found the key 'role' twice"),
        ("grants:\n- {group: 7, role: reader, namespaces: [a]}", "group: found 7"),
        ("grants:\n- {group: g, role: king, namespaces: [a]}", "role: found 'king'"),
        ("grants:\n- {group: g, role: [reader], namespaces: [a]}", "role: found"),
        ("grants:\n- {group: g, role: reader, namespaces: a}", "namespaces: found 'a'"),
        ("grants:\n- {group: g, role: reader, namespaces: []}", "namespaces: found"),
        ("grants:\n- {group: g, role: reader, namespaces: [A]}", "namespaces: found"),
        ("grants:\n- {group: g, role: reader, namespaces: [a], deny: maybe}", "deny: found"),
        ("grants:\n- &a {group: g}\n- *a", "line 2: found an anchor"),
        ("grants:\n- {group: g, role: reader, namespaces: [*]}", "cannot be read"),
        ("grants: [", "cannot be read"),
        ("grants:\n- !!python/object:os.system {}", "expected"),
        ("\xff", "expected"),
    ],
)
def test_what_is_wrong_stops_the_start(text: str, problem: str) -> None:
    """Nothing in the file is passed over: each mistake is told with its line."""
    with pytest.raises(StartError) as refused:
        parse_group_roles(text.encode(), path="roles.yaml")
    assert problem in str(refused.value)


def test_all_problems_are_told_together() -> None:
    """One start is enough to learn all that is wrong."""
    text = "grants:\n- {group: '', role: king, namespaces: [A], deny: 3}\nmore: 1\n"
    with pytest.raises(StartError) as refused:
        parse_group_roles(text.encode(), path="roles.yaml")
    for part in ("group:", "role:", "namespaces:", "deny:", "'more'"):
        assert part in str(refused.value)


def test_bytes_that_are_no_text() -> None:
    """A file in another encoding is told."""
    with pytest.raises(StartError, match="cannot be read"):
        parse_group_roles(b"\xff\xfe", path="roles.yaml")


def test_a_rule_that_denies_is_never_dropped() -> None:
    """A denying entry becomes a denying grant."""
    text = b"grants:\n- {group: g, role: reader, namespaces: [a], deny: true}\n"
    found = parse_group_roles(text, path="roles.yaml").grants_of(("g",))
    assert found == (Grant(role=Role.READER, namespace_pattern="a", deny=True),)


@pytest.mark.parametrize(
    "text", ["s3cr3t: [\n  s3cr3t: }", "s3cr3t\ns3cr3t", "*s3cr3t", "!s3cr3t x"]
)
def test_nothing_is_quoted_of_what_is_no_such_file(text: str) -> None:
    """It may be another file, that holds a secret."""
    with pytest.raises(StartError) as refused:
        parse_group_roles(text.encode(), path="roles.yaml")
    assert "s3cr3t" not in str(refused.value)
