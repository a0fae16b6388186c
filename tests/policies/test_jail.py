"""Policy files that mean ill: what they cost is theirs, not the server's."""

from __future__ import annotations

import pytest

from registry.errors import InvalidRequestError
from registry.policies.jail import JailedPolicyReader
from registry.testing.policies import shipped, shipped_files


def bomb(levels: int) -> str:
    """An expression that makes a text of ten times the length with each level."""
    made = "version.digest"
    for _ in range(levels):
        made = f"[{made}].map(m, m+m+m+m+m+m+m+m+m+m)[0]"
    return f"{made}.size() > 0"


def with_rule(require: str) -> dict[str, bytes]:
    rule = (
        f'rules:\n- id: BOMB\n  require: "{require}"\n  message: no\n'
        '  fix: "Wait: hallmark version show {version.ref}"\n'
    )
    files = dict(shipped_files())
    example = "tests:\n- name: bad\n  given: {version: {digest: bad}}\n  refused: [BOMB]\n"
    for old, new in (("rules:\n", rule), ("tests:\n", example)):
        files["fetch.yaml"] = files["fetch.yaml"].replace(old.encode(), new.encode(), 1)
    return files


@pytest.mark.slow
def test_a_good_set() -> None:
    """What is good comes out as it does without the jail."""
    content, policy = JailedPolicyReader().read(shipped_files())
    assert content == shipped().policy.policy_set.content()
    assert policy.digest == shipped().policy.digest


@pytest.mark.slow
def test_an_expression_that_makes_gigabytes() -> None:
    """Seven levels would be 700 megabytes of text and several times that of memory: refused, and
    this process grows by none of it."""
    with pytest.raises(InvalidRequestError, match="more than 10 s or 2000 MB"):
        JailedPolicyReader().read(with_rule(bomb(7)))


@pytest.mark.slow
def test_what_is_wrong_is_told_as_ever() -> None:
    """File, line and rule come through."""
    with pytest.raises(InvalidRequestError, match=r"fetch\.yaml:7: rule BOMB require: "):
        JailedPolicyReader().read(with_rule("1 +"))
    with pytest.raises(InvalidRequestError, match="test 'bad': BOMB does not refuse it"):
        JailedPolicyReader().read(with_rule(bomb(1)))
