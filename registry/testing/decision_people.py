"""Steps of random histories that are about who somebody is: accounts, groups, tokens, grants."""

from __future__ import annotations

from functools import partial

from registry.domain.access import Principal
from registry.names import PrincipalName, TokenName
from registry.testing.decision_history import GROUPS, STAGES, History, stored
from registry.testing.decision_model import Account, Grant, TokenFact
from registry.testing.decision_sets import DAY_US


def token_of(h: History, owner: str = "") -> TokenFact:
    """Any token, or one of somebody's newest; mostly one that has not ended."""
    tokens = [t for t in h.company.tokens.values() if owner in ("", t.owner)]
    if h.rng.random() < 0.95:
        tokens = [t for t in tokens if h.company.now_us < h.ends[t.id]] or tokens
    return h.rng.choice(tokens[-4:] if owner else tokens)


def person_of(h: History, *roles: str) -> TokenFact:
    """Mostly a token of somebody with one of these roles; now and then anybody's. Where somebody
    speaks as another, that token."""
    if h.speaker is not None:
        return h.speaker
    if h.rng.random() < 0.1:
        return token_of(h)
    holding = [
        id
        for id, account in h.company.accounts.items()
        if any(g.role in roles and not g.deny for g in _held(h, account))
    ]
    with_tokens = [id for id in holding if any(t.owner == id for t in h.company.tokens.values())]
    return token_of(h, h.rng.choice(with_tokens)) if with_tokens else token_of(h)


def _held(h: History, account: Account) -> set[Grant]:
    held = set(account.grants)
    for group in h.company.groups_of(account.id):
        held.update(GROUPS.get(group, ()))
    return held


def admin_of(h: History) -> TokenFact:
    return h.rng.choice([h.root, token_of(h, "adele"), token_of(h, "maker")])


def pass_time(h: History) -> None:
    """Mostly hours or days; now and then a month or a year, after which people need new tokens."""
    hours = h.rng.choice([1, 1, 6, 24, 24, 72, 240, 24 * 31, 24 * 365])
    h.tick(hours * 3600 * 1_000_000)
    h.says(f"{hours} h")
    if hours > 24:
        renew(h)


def renew(h: History) -> None:
    """Root hands out tokens to those here, and those of the directory log in."""
    for id, account in list(h.company.accounts.items()):
        if id == "root" or account.is_disabled:
            continue
        h.attempt("renew", partial(_renew, h, account))


def _renew(h: History, account: Account) -> TokenFact:
    if account.is_known_there:
        return h.login(h.names[account.human])
    return h.mint(h.root, account.id)


def mint(h: History) -> None:
    """For oneself or, as an administrator, for anybody; good for one stage only now and then."""
    owner = h.rng.choice([i for i in h.company.accounts if i != "root"])
    by = token_of(h, owner) if _has_token(h, owner) and h.rng.random() < 0.4 else admin_of(h)
    stages = frozenset([h.rng.choice(STAGES)]) if h.rng.random() < 0.2 else frozenset()
    made = h.attempt("mint", lambda: h.mint(by, owner, stages=stages))
    if made:
        h.says(f"{by.owner} for {owner}, makers {sorted(made.makers)}")


def _has_token(h: History, owner: str) -> bool:
    return any(t.owner == owner for t in h.company.tokens.values())


def rotate(h: History) -> None:
    old = token_of(h)
    if old.owner == "root":
        return
    by = old if h.rng.random() < 0.6 else admin_of(h)
    overlap_us = h.rng.choice([0, DAY_US])
    rotated = h.attempt(
        "rotate",
        lambda: h.world.tokens.rotate(
            h.caller(by), _name(old), overlap_us=overlap_us, expire_time_us=None, request_id=""
        ),
    )
    if rotated is not None:
        h.ends[old.id] = min(h.ends[old.id], h.company.now_us + overlap_us)
        h.keep(*rotated, h.makers(by, old.owner), old.stages)


def revoke(h: History) -> None:
    old = token_of(h)
    if old.owner == "root":
        return
    by = old if h.rng.random() < 0.5 else admin_of(h)
    if h.attempt("revoke", lambda: h.world.tokens.revoke(h.caller(by), _name(old))):
        h.ends[old.id] = h.company.now_us


def revoke_all(h: History) -> None:
    """All tokens of somebody, perhaps but the one that this is said with."""
    owner = h.rng.choice([i for i in h.company.accounts if i != "root"])
    by = token_of(h, owner) if _has_token(h, owner) and h.rng.random() < 0.5 else admin_of(h)
    is_kept = h.rng.random() < 0.5
    parent = PrincipalName(principal=owner)
    count = h.attempt(
        "revoke all",
        lambda: h.world.tokens.revoke_all(h.caller(by), parent, except_current=is_kept),
    )
    if count is None:
        return
    ended = [
        each.id
        for each in h.company.tokens.values()
        if each.owner == owner
        and h.company.now_us < h.ends[each.id]
        and not (is_kept and each.id == by.id)
    ]
    h.require("" if count == len(ended) else f"{count} of {len(ended)} tokens", "revoke all")
    h.ends |= dict.fromkeys(ended, h.company.now_us)
    # Else nobody would be left to act before time makes new ones.
    h.attempt("renew", partial(_renew, h, h.company.accounts[owner]))


def _name(token: TokenFact) -> TokenName:
    return TokenName(principal=PrincipalName(principal=token.owner), token=token.id)


def login(h: History) -> None:
    user = h.rng.choice(list(h.names.values()))
    token = h.attempt("login", lambda: h.login(user))
    if token is not None:
        h.says(f"{user} is {token.owner}")
        h.require(
            "" if h.company.accounts[token.owner].human not in h.company.locked_out else "locked",
            f"login of {user}",
        )


def second_account(h: History) -> None:
    """An administrator makes an account for themselves, or for anybody, and takes its token."""
    by = token_of(h, "adele")
    id = f"second-{len(h.company.accounts)}"
    roles = h.rng.choice([("reviewer:fraud",), ("registrant:fraud",), ("security:*",)])
    sponsor = h.rng.choice(["", "", "", "adele", "bob"])
    if h.attempt("second account", lambda: h.create(by, id, roles, sponsor=sponsor)):
        h.attempt("mint", lambda: h.mint(by, id))


def regroup(h: History) -> None:
    human = h.rng.choice(list(h.names))
    chosen = h.rng.sample([*GROUPS, "everyone"], h.rng.randrange(4))
    h.people.regroup(human, *chosen)
    h.company.groups[human] = set(chosen)
    h.says(f"{h.names[human]} is in {chosen}")


def rename(h: History) -> None:
    """Somebody marries; or takes a name that an account here bears."""
    human = h.rng.choice(list(h.names))
    give_name(h, human, h.rng.choice([f"new-{h.rng.randrange(10**6)}", *h.company.accounts]))


def give_name(h: History, human: str, user: str) -> None:
    if user in h.names.values():
        return
    h.people.rename(human, user)
    h.says(f"{h.names[human]} is {user} now")
    h.names[human] = user


def hire(h: History) -> None:
    if len(h.names) < 6:
        user = f"dir-{h.rng.randrange(10**6)}"
        h.hire(user, tuple(h.rng.sample(list(GROUPS), 2)))
        h.attempt("login", lambda: h.login(user))


def lock_out(h: History) -> None:
    human = h.rng.choice(list(h.names))
    is_out = human not in h.company.locked_out
    h.people.disable(human, disabled=is_out)
    (h.company.locked_out.add if is_out else h.company.locked_out.discard)(human)
    h.says(f"{h.names[human]} {'out' if is_out else 'in'}")


def outage(h: History) -> None:
    h.people.is_down = h.company.is_directory_down = not h.people.is_down
    h.says("down" if h.people.is_down else "up")


def refresh(h: History) -> None:
    h.attempt("refresh", h.world.accounts.refresh_all)


def disable(h: History) -> None:
    account = _somebody(h)
    is_disabled = not account.is_disabled
    if _update(h, account, "disabled", disabled=is_disabled):
        account.is_disabled = is_disabled


def regrant(h: History) -> None:
    """A role or its denial comes or goes."""
    account = _somebody(h)
    role = h.rng.choice(["reviewer", "reviewer", "security", "registrant", "deployer"])
    grant = Grant(role=role, where=h.rng.choice(["fraud", "*", "other"]), deny=h.rng.random() < 0.4)
    grants = account.grants ^ {grant}
    if _update(h, account, "grants", grants=grants):
        account.grants = grants
        h.says(f"{account.id}: {'+' if grant in grants else '-'}{grant}")


def responsible(h: History) -> None:
    """Somebody else answers for a robot."""
    hand_over(h, h.rng.choice([a for a in h.company.accounts.values() if a.is_robot]))


def hand_over(h: History, account: Account) -> None:
    sponsor = h.rng.choice([a.id for a in h.company.accounts.values() if not a.is_robot])
    if _update(h, account, "sponsor", sponsor=sponsor):
        account.sponsor = sponsor
        account.sponsors.add(sponsor)


def _somebody(h: History) -> Account:
    """Anybody but those without whom nothing goes on."""
    kept = {"root", "adele"}
    return h.rng.choice([a for a in h.company.accounts.values() if a.id not in kept])


def _update(
    h: History,
    account: Account,
    field: str,
    *,
    grants: set[Grant] | None = None,
    disabled: bool = False,
    sponsor: str = "",
) -> Principal | None:
    return h.attempt(
        field,
        lambda: h.world.principals.update(
            h.caller(h.root),
            PrincipalName(principal=account.id),
            display_name="",
            grants=[stored(each) for each in sorted(grants or (), key=str)],
            disabled=disabled,
            mask=[field],
            etag="",
            sponsor=sponsor,
        ),
    )
