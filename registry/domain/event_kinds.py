"""Every kind of event there is: what a webhook can be told of, and an export picked by.

`proto/EVENTS.md` is made of it, by

python -m registry.domain.event_kinds > proto/EVENTS.md
"""

from __future__ import annotations

#: What each tells, in one line, by its action.
KINDS: dict[str, str] = {
    "access.accept": "somebody accepted a model's terms",
    "access.decide": "somebody was let in under a model's terms, or not",
    "access.expire": "an acceptance of terms came to its end",
    "access.remind": "a request to be let in still waits",
    "access.request": "somebody asks to be let in under a model's terms",
    "access.revoke": "an acceptance of terms was revoked",
    "audit.checkpoint": "a checkpoint of the audit log was signed",
    "audit.replace_key": "a lost key of the audit log was replaced: a new beginning",
    "commit.create": "files were committed",
    "evaluation.create": "a measured result was added to a version",
    "identity.groups_changed": "the directory says other groups of somebody",
    "identity.login": "somebody logged in by password",
    "identity.refuse": "a login was refused",
    "identity.standing_changed": "the directory let somebody go, or took them back",
    "lineage.create": "a version was declared to come from another",
    "lineage.delete": "such a declaration was taken back",
    "model.create": "a model was created",
    "model.delete": "a model was deleted with all its versions",
    "model.like": "somebody likes a model",
    "model.unlike": "somebody likes a model no more",
    "model.update": "a model's description, licence, tags or owners were changed",
    "namespace.create": "a namespace was claimed",
    "namespace.delete": "a namespace was given back",
    "namespace.update": "a namespace's description or owner was changed",
    "policy.activate": "another policy set is active",
    "policy.decide": "somebody decided on a proposed policy set",
    "policy.expire": "a proposed policy set waited for too long",
    "policy.propose": "somebody proposed a policy set",
    "policy.remind": "a proposed policy set still waits",
    "policy.withdraw": "a proposed policy set was withdrawn",
    "principal.create": "a person or robot was made",
    "principal.update": "a principal was changed, disabled or given other grants",
    "promotion.break_glass": "a version was let into a stage at once, to be reviewed after",
    "promotion.create": "somebody asked for a version to enter a stage",
    "promotion.decide": "somebody decided on a promotion",
    "promotion.expire": "a promotion waited for too long",
    "promotion.remind": "a promotion still waits",
    "promotion.withdraw": "a promotion was withdrawn",
    "reference.delete": "an alias, branch or tag was deleted",
    "reference.set": "an alias, branch or tag was set",
    "review.decide": "somebody said what they think of a broken glass",
    "review.overdue": "a review of a broken glass is overdue",
    "review.reject": "a review found that the glass should not have been broken",
    "review.remind": "a review of a broken glass still waits",
    "review.uphold": "a review found that the glass was broken for good reason",
    "stage.move": "a stage holds another version",
    "stage.rollback": "a stage was put back, or emptied",
    "terms.clear": "a model has no terms any more",
    "terms.set": "a model goes out under other terms",
    "token.create": "a token was made",
    "token.revoke": "a token was revoked",
    "token.revoke_all": "all tokens of somebody were revoked",
    "token.rotate": "a token has a successor",
    "upload.add": "files were added to an upload",
    "upload.create": "an upload was begun",
    "upload.delete": "an upload was given up",
    "upload.expire": "an upload was left alone for too long",
    "upload.store": "bytes of a file arrived",
    "version.assess": "a version is ready for a release of Triton, or not",
    "version.create": "a version was made",
    "version.fetch": "somebody fetched a version's bytes",
    "version.inspect": "files of a version were looked at, and others are left",
    "version.quarantine": "a released version is back in quarantine, since vetting is against it",
    "version.release": "a version left quarantine",
    "version.unyank": "a yanked version is back",
    "version.vet": "vetting came to a verdict",
    "version.yank": "a version was withdrawn from every name",
    "vetting.rerun": "somebody has versions vetted anew",
    "waiver.decide": "somebody decided on a waiver",
    "waiver.expire": "a waiver came to its end",
    "waiver.remind": "a request for a waiver still waits",
    "waiver.request": "somebody asks for a rule to be waived",
    "waiver.revoke": "a waiver was revoked",
    "waiver.withdraw": "a request for a waiver was withdrawn",
    "webhook.create": "a webhook was made",
    "webhook.delete": "a webhook was deleted",
    "webhook.disable": "a webhook was disabled, since nothing arrived",
    "webhook.replay": "events were sent to a webhook once more",
    "webhook.rotate": "a webhook has a new secret",
    "webhook.test": "somebody tried a webhook out",
    "webhook.update": "a webhook was changed",
    "workload.exchange": "a pipeline got a token for its platform's",
    "workload.refuse": "a platform's token was refused",
}

_HEAD = """\
# Events

Every kind of event in the audit log, made from the list in `registry/domain/event_kinds.py` by
`python -m registry.domain.event_kinds`; a test compares it with what the services write. A webhook
takes all that begins with one of its actions: `promotion.` all of these, `token.revoke` also
`token.revoke_all`.

| action | tells that |
|---|---|
"""


def page() -> str:
    """`proto/EVENTS.md`."""
    return _HEAD + "".join(f"| `{kind}` | {told} |\n" for kind, told in KINDS.items())


if __name__ == "__main__":
    print(page(), end="")
