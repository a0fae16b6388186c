"""How a version and what hangs on it is shown, wherever it is shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from registry.cli import output
from registry.cli.session import Session

if TYPE_CHECKING:
    from registry.client.values import Decision, Finding, Version


def version_lines(session: Session, version: Version) -> list[str]:
    """All of a version, empty parts left out."""
    spec = version.spec
    created = f"{output.when(version.create_time)} by {output.path_of(version.registrant)}"
    others = [output.path_of(who) for who in version.contributors if who != version.registrant]
    files = f"{output.number(version.file_count)}, {output.size(version.size_bytes)}"
    return [
        f"{version.ref}   {session.digest(version.digest)}   {version.state}",
        *output.details(
            [
                ("description", spec.description),
                ("created", created),
                ("with", ", ".join(others)),
                ("commit", session.digest(version.commit)),
                ("files", files),
                ("stages", ", ".join(version.stages)),
                ("names", ", ".join(version.references)),
                ("card", _card(version)),
                ("metrics", output.pairs(spec.metrics)),
                ("parameters", output.pairs(spec.parameters)),
                *_origin(session, version),
                ("vetting", version.vetting.verdict or _not_done(version)),
                ("grace", grace(version)),
                ("yanked", version.yank_reason),
            ]
        ),
        *finding_lines(version.vetting.findings),
        *held_lines(version),
    ]


def held_lines(version: Version) -> list[str]:
    """Of a version that vetting passed and that was not let out: how to see why."""
    if version.state != "vetted":
        return []
    return [f"Held back by the policy: hallmark policy try {version.ref} release"]


def _not_done(version: Version) -> str:
    """Of a version without a verdict; one that is not in quarantine waits for none."""
    how_far = f": hallmark vet status {version.ref} --follow"
    return f"not done yet{how_far if version.state == 'quarantined' else ''}"


def grace(version: Version) -> str:
    """Until when a released version that vetting is against goes on being so; else empty."""
    end = version.vetting.grace_end_time
    return f"until {output.when(end)}, then its bytes go to nobody" if end else ""


def finding_lines(findings: Sequence[Finding]) -> list[str]:
    """One finding a line, its mend below; what fails the version is marked ✗, what leaves it
    unknown ?, the rest !."""
    lines = []
    for each in findings:
        mark = "✗" if each.fails else "?" if each.doubts else "!"
        lines.append(f"  {mark} {each.rule}  {place_of(each)}{each.message}")
        if each.fix:
            lines.append(f"    {' ' * len(each.rule)}  {each.fix}")
    return lines


def place_of(finding: Finding) -> str:
    """`model.pt, data.pkl at byte 12: ` or as much of that as there is."""
    place = ", ".join(each for each in (finding.path, finding.member) if each)
    if finding.offset is not None:
        place = f"{place} at byte {finding.offset:,}".strip()
    return f"{place}: " if place else ""


def said(decision: Decision) -> str:
    """A decision: who, as what, when, why, until when; its conditions a line each."""
    who = f"{decision.outcome} by {output.path_of(decision.decider)}"
    roles = ", ".join((*decision.roles, *(f"group {group}" for group in decision.groups)))
    until = f" until {output.when(decision.expire_time)}" if decision.expire_time else ""
    comment = f": {decision.comment}" if decision.comment else ""
    first = f"{who} ({roles}) {output.when(decision.create_time)}{until}{comment}"
    return "\n".join([first, *(f"  on condition: {each}" for each in decision.conditions)])


def number_in(text: str, *words: str) -> str:
    """42, promotion/42 and promotions/42 all mean number 42, where these are the words; waivers/42
    does not: who copies that means something else."""
    word, slash, number = text.rpartition("/")
    if slash and word not in words:
        raise click.UsageError(
            f"found {text}, expected the number of a {words[0]}, or {words[-1]}/NUMBER. "
            "How what waits is decided on: hallmark inbox"
        )
    return number


def _card(version: Version) -> str:
    parts = []
    if version.card.license:
        parts.append(f"license {version.card.license}")
    if version.card.missing:
        parts.append(f"lacks {', '.join(version.card.missing)}")
    return "; ".join(parts)


def _origin(session: Session, version: Version) -> list[tuple[str, str]]:
    """Bases, data sets, code and run."""
    spec = version.spec
    code = f"{spec.code.repository} {spec.code.revision}".strip()
    if spec.code.dirty:
        code += " with changes not committed"
    datasets = [
        " ".join(filter(None, (each.name, session.digest(each.digest), each.role)))
        for each in spec.datasets
    ]
    bases = [f"{output.path_of(base.version)} ({base.kind})" for base in spec.bases]
    if version.hidden_base_count:
        bases.append(f"{version.hidden_base_count} that you may not read")
    return [
        ("bases", "\n".join(bases)),
        ("data", "\n".join(datasets)),
        ("code", code),
        ("run", spec.run_url),
    ]
