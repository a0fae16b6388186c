"""Steps of random histories that are about versions, and who decides on them."""

from __future__ import annotations

from registry.domain.manifests import ManifestFile
from registry.domain.promotions import Outcome, Promotion, PromotionState
from registry.domain.versions import Dataset, Verdict, Version, VersionSpec, VersionState, Vetting
from registry.names import PromotionName, VersionName
from registry.services.commits import Change
from registry.services.sources import Source
from registry.testing.decision_history import MODEL, NAMESPACE, STAGES, History, ViolationError
from registry.testing.decision_model import (
    Request,
    TokenFact,
    VersionFact,
    Word,
)
from registry.testing.decision_people import person_of
from registry.testing.decision_sets import DATASET, DAY_US, NOTE
from registry.testing.sound import pickled, weights
from registry.testing.world import manifest_file

APPROVE, REJECT = Outcome.APPROVE, Outcome.REJECT

# Versions.


def _files(h: History) -> tuple[Source, frozenset[str]]:
    """One file that nobody ever sent before, now and then a pickle."""
    kind = h.rng.choice(["safetensors", "safetensors", "safetensors", "pickle"])
    ending = {"safetensors": "safetensors", "pickle": "pkl"}[kind]
    now = h.company.now_us
    data = pickled(now) if kind == "pickle" else weights(str(now).encode())
    file: ManifestFile = manifest_file(f"m{h.company.now_us}.{ending}", data)
    h.world.store(data)
    h.world.database.write(lambda tx: tx.blob_grants.add(NAMESPACE, {file.sha256}))
    return Source(files=(file,)), frozenset([kind])


def _with_sponsor(h: History, id: str) -> set[str]:
    return {id, h.company.accounts[id].sponsor} - {""}


def push(h: History) -> None:
    """A version of new files alone; what was committed before and never cut had a hand in it."""
    by = person_of(h, "registrant")
    source, formats = _files(h)
    made = h.attempt(
        "push",
        lambda: h.world.versions.create(
            h.caller(by), MODEL, source=source, spec=VersionSpec(), message="", request_id=""
        ),
    )
    if made is not None:
        _note_commit(h, by, formats)
        h.tree, h.is_all_new = formats, True
        _note_version(h, made, by)


def commit(h: History) -> None:
    by = person_of(h, "registrant")
    source, formats = _files(h)
    change = Change(source=source, deleted_paths=(), replace_tree=False)
    made = h.attempt(
        "commit",
        lambda: h.world.commits.create(
            h.caller(by),
            MODEL,
            branch="",
            expected_head="",
            change=change,
            message="change",
            request_id="",
        ),
    )
    if made is not None:
        _note_commit(h, by, formats)


def _note_commit(h: History, by: TokenFact, formats: frozenset[str]) -> None:
    if h.here:
        h.before, h.here, h.since = h.here, [], set()
    h.since |= _with_sponsor(h, by.owner)
    h.tree, h.is_all_new = h.tree | formats, False


def cut(h: History) -> None:
    """A version of main, on whose files others may have worked."""
    by = person_of(h, "registrant")
    made = h.attempt(
        "cut",
        lambda: h.world.versions.cut(
            h.caller(by), MODEL, revision="main", spec=VersionSpec(), request_id=""
        ),
    )
    if made is not None:
        _note_version(h, made, by)


def _note_version(h: History, version: Version, by: TokenFact) -> None:
    """Who registers it had a hand in it, who wrote since the version before, and whoever had one
    in that, unless it was decided on once or nothing of it is left."""
    hands = _with_sponsor(h, by.owner) | h.since
    there = [each for periods in h.company.stages.values() for each in periods if each]
    decided = {h.company.versions[number].digest for number, _ in there}
    for number in () if h.is_all_new else h.before:
        if h.company.versions[number].digest not in decided:
            hands |= h.company.versions[number].hands
    h.company.versions[version.number] = VersionFact(
        number=version.number, digest=version.digest, hands=hands, formats=h.tree
    )
    h.here.append(version.number)
    h.says(f"version {version.number} by {sorted(hands)}")
    vet(h)


def vet(h: History) -> None:
    while h.world.vetting.run_pending(100):
        pass
    for fact in h.company.versions.values():
        if fact.state == "quarantined":
            _read_verdict(h, fact)


def _stored(h: History, fact: VersionFact) -> Version:
    found = h.world.database.read(lambda tx: tx.versions.get(MODEL.path, fact.number))
    assert found is not None
    return found


def _read_verdict(h: History, fact: VersionFact) -> None:
    """What vetting says is not what these histories are about."""
    version = _stored(h, fact)
    fact.state = version.state.value
    fact.rules = version.vetting.rules_digest if version.vetting else ""


def revet(h: History) -> None:
    """New rules of vetting judge a version anew; seldom they find something."""
    fact = some_version(h)
    if fact is None or fact.state not in ("released", "rejected"):
        return
    passes = h.rng.random() < 0.7
    verdict = Vetting(
        verdict=Verdict.PASS if passes else Verdict.FAIL,
        findings=(),
        rules_digest=f"sha256:rules-{h.rng.randrange(3)}",
        time_us=h.company.now_us,
    )
    state = VersionState.RELEASED if passes else VersionState.REJECTED
    key = _stored(h, fact).key
    h.world.database.write(lambda tx: tx.versions.set_vetting([(key, verdict, state)]))
    fact.state, fact.rules = state.value, verdict.rules_digest


def some_version(h: History) -> VersionFact | None:
    """One of the newest."""
    versions = list(h.company.versions.values())
    return h.rng.choice(versions[-4:]) if versions else None


def name_of(number: int) -> VersionName:
    return VersionName(model=MODEL, number=number)


def evaluate(h: History) -> None:
    fact = some_version(h)
    if fact is None:
        return
    by, value = person_of(h, "reviewer", "registrant"), h.rng.choice([0.85, 0.95])
    if h.attempt(
        "evaluate",
        lambda: h.world.evaluations.add(
            h.caller(by),
            name_of(fact.number),
            evaluation="holdout",
            metrics=[("auc", value)],
            dataset=Dataset(name="holdout", digest=DATASET),
            tool="",
            request_id="",
        ),
    ):
        fact.metric = value


def yank(h: History) -> None:
    fact = some_version(h)
    if fact is None:
        return
    by = person_of(h, "security", "registrant")
    if fact.state == "yanked":
        if h.attempt("unyank", lambda: h.world.yanks.unyank(h.caller(by), name_of(fact.number))):
            _read_verdict(h, fact)
    elif h.attempt(
        "yank",
        lambda: h.world.yanks.yank(
            h.caller(by), name_of(fact.number), reason="leaks", validate_only=False
        ),
    ):
        fact.state = "yanked"
        withdraw_all(h, fact.number)


def withdraw_all(h: History, version: int, stage: str = "") -> None:
    for request in h.company.requests.values():
        if (
            request.version == version
            and stage in ("", request.stage)
            and h.company.is_open(request)
        ):
            request.state = "withdrawn"


# Promotions.


def request(h: History) -> None:
    fact = some_version(h)
    if fact is None:
        push(h)
        return
    by, stage = person_of(h, "registrant", "deployer"), h.rng.choice(STAGES)
    end_us = h.company.now_us + h.rng.choice([1, 20, 80]) * DAY_US
    expire_time_us = h.rng.choice([None, None, end_us])
    made = h.attempt("request", lambda: create(h, by, fact, stage, expire_time_us))
    if made is not None:
        note_request(h, made, by)


def create(
    h: History,
    by: TokenFact,
    fact: VersionFact,
    stage: str,
    expire_time_us: int | None,
    *,
    break_glass: bool = False,
) -> Promotion:
    return h.world.promotions.create(
        h.caller(by),
        name_of(fact.number),
        stage=stage,
        note=NOTE,
        expected_current=0,
        expire_time_us=expire_time_us,
        validate_only=False,
        request_id="",
        break_glass=break_glass,
    )


def note_request(h: History, made: Promotion, by: TokenFact) -> Request:
    fact = Request(
        number=made.number,
        version=made.version_number,
        stage=made.stage,
        requester=by.owner,
        end_us=made.expire_time_us,
    )
    h.company.requests[made.number] = fact
    h.says(f"promotion {made.number} of {made.version_number} to {made.stage} by {by.owner}")
    return fact


def some_request(h: History) -> Request | None:
    """Mostly an open one."""
    found = list(h.company.requests.values())
    if h.rng.random() < 0.95:
        found = [r for r in found if h.company.is_open(r)]
    return h.rng.choice(found[-5:]) if found else None


def decide(h: History) -> None:
    found = some_request(h)
    if found is None:
        request(h)
        return
    decide_on(h, found)


def decide_on(h: History, request: Request) -> None:
    by = person_of(h, "reviewer", "security")
    outcome = APPROVE if h.rng.random() < 0.93 else REJECT
    version = h.company.versions[request.version]
    until_us = h.rng.choice([None, None, h.company.now_us + h.rng.choice([1, 5, 300]) * DAY_US])
    until_us = until_us if outcome is APPROVE else None
    digest = version.digest if h.rng.random() < 0.95 else "sha256:" + "0" * 64
    comment, lines = h.rng.choice(["", "seen"]), h.rng.choice([(), ("watch it",)])
    done = h.attempt(
        "decide",
        lambda: h.world.promotions.decide(
            h.caller(by),
            PromotionName(number=request.number),
            outcome=outcome,
            comment=comment,
            digest=digest,
            expected_current=0,
            conditions=lines,
            expire_time_us=until_us,
        ),
    )
    if done is None:
        return
    what = f"{by.owner} {outcome.value}s promotion {request.number}"
    h.says(what)
    h.require(_why_not_decide(h, by, request, version, outcome), what)
    new = [d for d in done.decisions if d.create_time_us == h.company.now_us]
    if not new:
        # A repeat, which says what was said.
        return
    (word,) = new
    h.require("" if h.company.is_open(request) else "it is not open", what)
    h.require("" if digest == version.digest else "of other bytes", what)
    if frozenset(word.groups) != h.company.groups_of(by.owner):
        raise ViolationError(f"{what}: groups {word.groups} are not those of now")
    if outcome is REJECT:
        request.state = "rejected"
        return
    request.words[h.company.human(by.owner)] = Word(
        by=by.owner,
        makers=by.makers,
        groups=h.company.groups_of(by.owner),
        digest=digest,
        policy=h.company.policy,
        rules=version.rules,
        at_us=h.company.now_us,
        until_us=until_us,
    )
    h.require(h.company.forbidden(version, request.stage), what)
    _settle(h, request, done.state is PromotionState.COMPLETED, what)


def _why_not_decide(
    h: History, by: TokenFact, request: Request, version: VersionFact, outcome: Outcome
) -> str:
    """To reject, one may have had a hand in it: nobody gains by that."""
    company = h.company
    hands = None if outcome is REJECT else version
    return company.why_not(by, "promotion", request.stage) or company.entangled(
        by, [request.requester, *version.hands], hands
    )


def _settle(h: History, request: Request, has_moved: bool, what: str) -> None:
    """The stage moves with an approval that satisfies the rules of now, and with no other."""
    lacking = h.company.lacking(request)
    if has_moved and lacking:
        raise ViolationError(f"{what}: the stage moved, with {lacking}")
    if not has_moved and not lacking:
        raise ViolationError(f"{what}: nothing is lacking, and the stage did not move")
    if has_moved:
        request.state = "completed"
        h.done[f"moved by {len(h.company.live(request))}"] += 1
        h.expected_moves.append((request.stage, request.version, request.number))


def withdraw(h: History) -> None:
    request = some_request(h)
    if request is None:
        return
    by = person_of(h, "registrant", "security", "admin")
    if h.attempt(
        "withdraw",
        lambda: h.world.promotions.withdraw(h.caller(by), PromotionName(number=request.number)),
    ):
        request.state = "withdrawn"


def rollback(h: History) -> None:
    by, stage = person_of(h, "deployer"), h.rng.choice(STAGES)
    fact = some_version(h) if h.rng.random() < 0.4 else None
    to_empty = fact is None and h.rng.random() < 0.2
    moved = h.attempt(
        "rollback",
        lambda: h.world.stages.rollback(
            h.caller(by),
            MODEL,
            stage=stage,
            version=name_of(fact.number) if fact else None,
            to_empty=to_empty,
            expected_current=0,
            note="",
            validate_only=False,
            request_id="",
        ),
    )
    if moved is None:
        return
    if to_empty:
        h.expected_moves.append((stage, 0, None))
        return
    promotion = moved.promotion or 0
    h.require(h.company.never_there(stage, moved.version_number, promotion), "rollback")
    h.expected_moves.append((stage, moved.version_number, promotion))
