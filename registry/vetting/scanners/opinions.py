"""What a scanner's answer does to a file. It may be worse for it, never better.

Malicious fails. Suspicious or inconclusive about nothing but names that stand on our own exact
allow-list is a word of advice: one scanner is suspicious of every state dict of torch. All else,
also a scanner that crashes, hangs or is not there, leaves the file unknown.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import BinaryIO

from registry.formats.look import Effect, Note, Rule, quoted
from registry.ports.scanners import Outcome, ScanAnswer, Scanner

logger = logging.getLogger(__name__)

#: It may be about any file, as rules of the operator's are.
_REMOVE = (
    "Push a version without what the scanner found; safetensors, ONNX and GGUF hold no code. If "
    "the scanner is wrong, tell the server's operator."
)
MALICIOUS = Rule("SCAN-1", "No scanner calls the file malicious.", _REMOVE)
SUSPICIOUS = Rule(
    "SCAN-2", "What scanners are suspicious of are names that stand on our own list.", _REMOVE
)
ANSWERED = Rule(
    "SCAN-3",
    "Every scanner that is asked comes to an answer.",
    "Ask the server's operator whether the scanner runs, then have the version vetted again.",
)
RULES = (MALICIOUS, SUSPICIOUS, ANSWERED)


def opinion(
    scanner: Scanner, file: BinaryIO, role: str, is_allowed: Callable[[str], bool]
) -> Note | None:
    """A scanner's word on a file, if it has one. `is_allowed` tells whether a name stands on our
    own allow-list, exactly as it is written."""
    if not scanner.covers(role):
        return None
    try:
        answer = scanner.scan(file, role)
    except Exception as error:
        logger.exception("the scanner %s crashed", scanner.name)
        return _note(ANSWERED, scanner, f"found {type(error).__name__}", Effect.UNKNOWN)
    return reading(scanner, answer, is_allowed)


def reading(scanner: Scanner, answer: ScanAnswer, is_allowed: Callable[[str], bool]) -> Note | None:
    if answer.outcome is Outcome.CLEAN:
        return None
    if answer.outcome is Outcome.MALICIOUS:
        return _note(MALICIOUS, scanner, quoted(answer.message), Effect.FAIL)
    strange = sorted(name for name in answer.names if not is_allowed(name))
    is_advice = answer.is_names_only and answer.names and not strange
    rule = SUSPICIOUS if answer.outcome is Outcome.SUSPICIOUS else ANSWERED
    about = ", ".join(strange or (sorted(answer.names) if is_advice else [])) or answer.message
    return _note(rule, scanner, quoted(about), Effect.ADVICE if is_advice else Effect.UNKNOWN)


def _note(rule: Rule, scanner: Scanner, message: str, effect: Effect) -> Note:
    return Note(rule=rule, message=f"{scanner.name}: {message}", effect=effect)
