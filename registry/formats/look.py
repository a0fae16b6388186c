"""What a strict parser is given, and what it leaves behind: findings, facts, checks to come.

A parser is a function `read(look: Look) -> None` beside its rules. It says what is wrong with
`look.refuse`, what it cannot tell with `look.doubt`, and what it learned in `look.facts`. It
returns only when it has accounted for every byte from the first to the last: who returns without a
finding vouches for the file. What keeps it from going on is said with `look.stop`, which raises.

So a mistake denies: an exception of any kind, a budget that is spent, memory or time that is up are
unknown, never a pass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NoReturn

from registry.domain.file_formats import role_of
from registry.formats.source import Source
from registry.names.text import visible

#: More findings of one file tell nothing new; how many there were is counted.
FINDINGS_MAX = 100
#: Longer quotations of a file are cut: long enough to find it, too short to flood a page.
QUOTED_CHARS_MAX = 80
#: Of a member's name as findings say it; longer names are not let in.
_MEMBER_CHARS_MAX = 1024
#: Containers in containers in containers; what lies deeper is not looked at.
DEPTH_MAX = 3


class Effect(Enum):
    """What a finding makes of the file's verdict."""

    FAIL = "fail"
    #: Nobody can vouch for it.
    UNKNOWN = "unknown"
    #: Worth a look; it changes nothing.
    ADVICE = "advice"


@dataclass(frozen=True, slots=True)
class Rule:
    """What has to be true of a file, in one sentence, and how to mend one of which it is not.

    Rules are part of the rules digest: with another sentence or another `revision` all that was
    judged is judged again. So whoever changes a check without its sentence raises the revision.
    """

    #: Such as `SAFETENSORS-3`; never used again for something else.
    id: str
    promise: str
    fix: str
    revision: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One finding in one file."""

    rule: Rule
    #: What was found, against what was expected.
    message: str
    effect: Effect
    #: The way through containers to where it was found, such as `archive/data.pkl`; empty: the file
    #: itself.
    member: str = ""
    #: Bytes from the start of the member, or of the file.
    offset: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checksum:
    """Bytes of the file whose CRC-32 is compared while the file is hashed: in the same reading."""

    start: int
    end: int
    crc32: int
    #: Who fails where it differs, and how that is told.
    rule: Rule
    member: str


class StopLooking(Exception):  # noqa: N818 - no error: what is wrong is noted already
    """Nothing more can be told of this file; why is noted."""


class SpentError(Exception):
    """A budget is used up. The text says which."""


@dataclass(kw_only=True)
class Budget:
    """What looking at one file may cost, all of its members together. SpentError beyond."""

    #: Opcodes, tokens, nodes, tensors.
    steps: int = 50_000_000
    unpacked_bytes: int = 64 * 1024**3
    members: int = 200_000

    def step(self, count: int = 1) -> None:
        self.steps -= count
        if self.steps < 0:
            raise SpentError("it has more parts than are looked at in one file")

    def unpack(self, size_bytes: int) -> None:
        self.unpacked_bytes -= size_bytes
        if self.unpacked_bytes < 0:
            raise SpentError("it unpacks to more bytes than are looked at in one file")

    def member(self) -> None:
        self.members -= 1
        if self.members < 0:
            raise SpentError("it has more members than are looked at in one file")


@dataclass(kw_only=True)
class Notebook:
    """All that was noted of one file, its members included."""

    notes: list[Note] = field(default_factory=list)
    #: Notes beyond FINDINGS_MAX by effect: they count, though nobody reads them.
    more: dict[Effect, int] = field(default_factory=dict)
    checksums: list[Checksum] = field(default_factory=list)
    #: What was learned, by the name of the fact; values are JSON.
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def is_sound(self) -> bool:
        """Whether nothing was found yet that keeps the file from passing."""
        effects = {note.effect for note in self.notes} | set(self.more)
        return effects <= {Effect.ADVICE}

    def add(self, note: Note) -> None:
        if len(self.notes) < FINDINGS_MAX:
            self.notes.append(note)
        else:
            self.more[note.effect] = self.more.get(note.effect, 0) + 1


@dataclass(frozen=True, kw_only=True)
class Look:
    """One file, or one member of it, as a parser sees it."""

    source: Source
    #: What its name says it is (`domain/file_formats.py`). The name itself is of no account: what
    #: is found here holds for every version that has the same bytes under a name of this role.
    role: str
    #: Sizes of all files of the version by path: for files that refer to others.
    files: Mapping[str, int]
    budget: Budget
    book: Notebook
    #: The way to this member; empty for the file itself.
    member: str = ""
    depth: int = 0
    #: Looks at a member of this container: `look.inside("data.pkl", source)`. Its findings are
    #: noted; whatever it raises, this container's parser goes on.
    inspect: Callable[[Look], object]

    @property
    def facts(self) -> dict[str, Any]:
        """Of the file, whichever member is looked at."""
        return self.book.facts

    def refuse(self, rule: Rule, message: str, *, offset: int | None = None) -> None:
        """Note what fails the file, and go on."""
        self._note(rule, message, Effect.FAIL, offset)

    def doubt(self, rule: Rule, message: str, *, offset: int | None = None) -> None:
        """Note what nobody can vouch for, and go on."""
        self._note(rule, message, Effect.UNKNOWN, offset)

    def advise(self, rule: Rule, message: str, *, offset: int | None = None) -> None:
        self._note(rule, message, Effect.ADVICE, offset)

    def stop(self, rule: Rule, message: str, *, offset: int | None = None) -> NoReturn:
        """Note what fails the file, and look no further at it."""
        self.refuse(rule, message, offset=offset)
        raise StopLooking

    def inside(self, name: str, source: Source) -> None:
        """Look at a member of this container as at a file of that name."""
        self.budget.member()
        said = shown(name)
        self.inspect(
            Look(
                source=source,
                role=role_of(name),
                files=self.files,
                budget=self.budget,
                book=self.book,
                member=f"{self.member}/{said}" if self.member else said,
                depth=self.depth + 1,
                inspect=self.inspect,
            )
        )

    def checksum(self, rule: Rule, name: str, start: int, end: int, crc32: int) -> None:
        """Have bytes of this file compared with their CRC-32. For the file itself, not for members
        of members, whose bytes come from elsewhere: those compare what they unpack."""
        if self.depth:
            raise ValueError("only bytes of the file itself are read once more")
        self.book.checksums.append(
            Checksum(start=start, end=end, crc32=crc32, rule=rule, member=shown(name))
        )

    def _note(self, rule: Rule, message: str, effect: Effect, offset: int | None) -> None:
        self.book.add(
            Note(rule=rule, message=message, effect=effect, member=self.member, offset=offset)
        )


def shown(name: str) -> str:
    """A member's name as a finding's place may say it: whatever it is, it is one line, and seen."""
    cut = name[:_MEMBER_CHARS_MAX]
    return visible(cut) if len(cut) == len(name) else f"{visible(cut)}..."


def quoted(text: object) -> str:
    """Something from a file as a message may say it: cut, and with nothing that a terminal or a
    page would take for more than text."""
    whole = text if isinstance(text, str) else repr(text)
    cut = whole if len(whole) <= QUOTED_CHARS_MAX else f"{whole[:QUOTED_CHARS_MAX]}..."
    return ascii(cut)
