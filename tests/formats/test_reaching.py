"""Texts that reach for Python's inside if somebody renders them, and texts that only look so."""

from __future__ import annotations

import json
import time

import pytest

from registry.formats.inspect import inspect
from registry.formats.look import Effect
from registry.formats.reaching import reaching
from registry.formats.source import BytesSource


@pytest.mark.parametrize(
    "text",
    [
        "{{ ''.__class__ }}",
        "a {% set x = y|attr ('z') %} b",
        "}} {{ lipsum.__globals__ }}",
        "{{ {{ cycler.__init__ }}",
        "{{ os.popen('id') }}",
        "{{ a['\\x5f\\x5fclass'] }}",
        "{{ 'a' }}{{ eval('1') }}",
        "{" * 9 + " __import__('os') }}",
    ],
)
def test_what_reaches_inside_is_found(text: str) -> None:
    """In the braces of an expression or a statement, wherever in a text."""
    assert reaching(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{{ question }}",
        "{{ a }} __class__ {{ b }}",
        "{{ a __class__",
        "__class__ }}",
        "{% if a %} os.system {% endif %}",
        "{{ my__class__name }}",
        "static int a[] = {{" + "0, " * 500 + "os.system }}",
    ],
)
def test_what_does_not_is_not(text: str) -> None:
    """Outside of braces, or in those of another language."""
    assert not reaching(text)


@pytest.mark.parametrize("text", ["{{" * 500_000, "{{}}" * 250_000, "{%{{" * 250_000])
def test_time_is_that_of_the_length(text: str) -> None:
    """Braces that never close, or close at once, are each looked for once."""
    begun_s = time.process_time()
    assert not reaching(text)
    assert time.process_time() - begun_s < 5


def test_many_templates_are_not_looked_at_for_ever() -> None:
    """What they take together is bounded, as for one."""
    template = "{{ a }}{# " + "b" * 100_000 + " #}"
    text = json.dumps({f"{number}template": template for number in range(15)})
    assert inspect(BytesSource(text.encode()), "json", {}).effect is Effect.UNKNOWN
