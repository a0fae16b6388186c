"""The table of roles as a page for people; `proto/ROLES.md` is made of it, by

python -m registry.domain.roles > proto/ROLES.md
"""

from __future__ import annotations

from registry.domain.access import SELF_ACTIONS, STAGED_ACTIONS, TABLE, WIDE_ACTIONS, Action, Role

#: What each action allows, in one line.
DESCRIPTIONS: dict[Action, str] = {
    Action.NAMESPACE_CREATE: "claim a namespace",
    Action.NAMESPACE_READ: "see a namespace, its description and owner",
    Action.NAMESPACE_UPDATE: "change a namespace's description or owner",
    Action.NAMESPACE_DELETE: "give an empty namespace back",
    Action.PRINCIPAL_READ: "see people, robots, their grants and tokens; explain their access",
    Action.PRINCIPAL_WRITE: "make, change and disable people and robots; make and revoke tokens",
    Action.MODEL_CREATE: "create a model",
    Action.MODEL_READ: "see a model and its usage; like it",
    Action.MODEL_UPDATE: "change a model's description, licence, tags, owners",
    Action.MODEL_DELETE: "delete a model with all its versions",
    Action.VERSION_CREATE: "send files, commit, make versions, declare lineage",
    Action.VERSION_READ: "see versions, their files' names, references, stages, lineage",
    Action.VERSION_FETCH: "fetch the bytes of released versions, and refer to them by digest",
    Action.VERSION_YANK: "withdraw a version from every name, and undo that",
    Action.EVALUATION_CREATE: "add a measured result to a version",
    Action.REFERENCE_SET: "set and delete aliases and branches, create tags",
    Action.REFERENCE_DELETE_TAG: "delete a tag",
    Action.PROMOTION_READ: "see promotions, decisions and what they wait for",
    Action.PROMOTION_REQUEST: "ask for a version to enter a stage",
    Action.PROMOTION_DECIDE: "approve or reject a promotion (people only)",
    Action.PROMOTION_WITHDRAW: "withdraw somebody else's promotion",
    Action.PROMOTION_BREAK_GLASS: "let a version into a stage at once, to be reviewed after",
    Action.VETTING_RERUN: "have versions vetted anew",
    Action.WAIVER_READ: "see waivers of rules",
    Action.WAIVER_REQUEST: "ask for a rule to be waived for a time (people only)",
    Action.WAIVER_DECIDE: "grant, refuse and revoke waivers (people only)",
    Action.TERMS_SET: "say under which terms a model's bytes go out",
    Action.ACCESS_READ: "see who accepted a model's terms",
    Action.ACCESS_DECIDE: "let somebody in under a model's terms, and revoke that (people only)",
    Action.STAGE_ROLLBACK: "put back what a stage held before, or empty it",
    Action.POLICY_READ: "read policy sets, proposals and what gates were shown",
    Action.POLICY_PROPOSE: "ask for another policy set to become active (people only)",
    Action.POLICY_DECIDE: "decide on such a proposal of somebody else (people only)",
    Action.USAGE_READ: "see who downloaded what",
    Action.EVENT_READ: "read the audit log",
    Action.AUDIT_REPLACE_KEY: "have the audit log begin anew by another key, where one was lost",
    Action.WEBHOOK_READ: "see webhooks that are told of the namespace, and their deliveries",
    Action.WEBHOOK_WRITE: "have a webhook told of the namespace's events",
    Action.TOKEN_CREATE: "make and rotate one's own tokens",
    Action.TOKEN_READ: "list one's own tokens, explain one's own access",
    Action.TOKEN_REVOKE: "revoke one's own tokens",
}

_HEAD = """\
# Roles

Made from the table in `registry/domain/access.py` by `python -m registry.domain.roles`; a test
compares the two. Every check is made from that table, in `registry/services` alone.

| action | allows to | {roles} |
|---|---|{lines}|
"""

_TAIL = """
(*) Allowed by a role that is granted on `*` alone. (s) Has a stage: see scopes. "own" stands for
everybody, with their own tokens, without any role.

## Grants

A grant is a role on a namespace pattern, such as `reviewer:fraud`, `reader:ml-*` or `auditor:*`;
in a pattern `*` stands for any characters. Only the pattern `*` covers what belongs to no
namespace.

A denying grant, `!reader:secret-*`, takes away what its role holds, on the namespaces that its
pattern covers. **An action is allowed if a grant whose role holds it covers the namespace, and no
denying grant whose role holds it does.** A deny always wins, over `*` too, and whichever grant it
was that allows: so `!reader:secret-*` takes reading from a reviewer too, and leaves them to
decide on what they cannot see; deny every role that somebody has to shut them out. Lists leave
denied namespaces out. The whole audit log is only for those whom nothing denies event.read
anywhere.

## Scopes

A token may have up to 20 scopes: action, model and stage, such as
`version.fetch:fraud/*@production`. It then does what one of them covers and its principal's
grants allow; scopes never give anything. A token without scopes does all that its principal may.

- Actions and models are patterns, `*` standing for any characters, `/` included. Only the model
  `*` covers what belongs to no single model: namespaces, principals, the audit log. Lists of
  models and promotions show what is covered.
- A scope with a stage covers the actions marked (s) alone: asking, deciding and withdrawing for
  that stage, rolling it back, and fetching versions that are in it at the time, which is looked
  at for each request for bytes. `pull` reads names and lists of files too: give it
  `version.read:fraud/*` beside.
- A token with scopes makes and rotates tokens only if they cover `token.create`, and only such
  whose scopes its own cover. Any token may show whose it is (`whoami`) and revoke itself.
- Bytes belong to a namespace, not to a model of it: with a token that is good for one model,
  whoever knows a digest can take bytes over from another model of that namespace.

## Tokens

Secrets match `hm_[0-9A-Za-z]{36}`: the last six are the CRC32 of all before, in base 62 (digits,
capitals, small letters), so that a scanner need not guess. Whoever makes a token for somebody
else stays known (`makers`), through every token made with it: if they contributed to a version or
asked for a promotion, a decision with that token does not count, nor does their own approval of
what a principal registered whose token they made. Where the words of two people are needed
(approvals, reviews, a waiver or a policy set and who asked for it), whoever made a token of one
is not the other. Robots have a sponsor, who counts as a contributor of what the robot registers,
and of what it wrote while they answered for it.

`hallmark auth explain WHO ACTION MODEL` says which rows decide.
"""


def page() -> str:
    """The whole page."""
    head = _HEAD.format(roles=" | ".join(Role), lines="|".join("---" for _ in Role))
    return head + "".join(map(_row, Action)) + _TAIL


def _row(action: Action) -> str:
    marks = (
        f"{' (*)' if action in WIDE_ACTIONS else ''}{' (s)' if action in STAGED_ACTIONS else ''}"
    )
    held = ["yes" if action in TABLE[role] else "" for role in Role]
    if action in SELF_ACTIONS:
        held = ["own" for _ in Role]
    return f"| `{action}`{marks} | {DESCRIPTIONS[action]} | {' | '.join(held)} |\n"


if __name__ == "__main__":
    print(page(), end="")
