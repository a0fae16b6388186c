"""Searches: versions by what vetting learned of their files."""

from __future__ import annotations

from collections.abc import Sequence

from registry.domain.access import Action, Caller
from registry.domain.pages import Page, PageRequest, decode_token, fingerprint, page_of
from registry.domain.traits import KINDS, VALUE_CHARS_MAX, Trait, TraitQuery, trait
from registry.domain.versions import Version
from registry.errors import InvalidFieldError, TooLargeError
from registry.names.text import show
from registry.ports.database import Database, Transaction
from registry.ports.policy import PolicySets
from registry.services.grace import with_grace
from registry.services.specs import shown_to

ASKED_MAX = 10


class TraitSearches:
    def __init__(self, *, database: Database, policies: PolicySets) -> None:
        self._database = database
        self._policies = policies

    def versions(
        self,
        caller: Caller,
        namespace: str | None,
        *,
        traits: Sequence[str],
        parameters_min: int,
        parameters_max: int,
        page: PageRequest,
    ) -> Page[Version]:
        """Of one namespace, or with None of all that the caller may read; the newest first.

        Traits as `kind=value`; 0 parameters are any number.
        """
        if namespace is not None:
            caller.require_list(Action.VERSION_READ, namespace, f"namespaces/{namespace}")
        reach = caller.reach(Action.VERSION_READ, namespace)
        query = TraitQuery(
            traits=_traits(traits),
            parameters_min=_bound("parameters_min", parameters_min),
            parameters_max=_bound("parameters_max", parameters_max),
        )
        if query == TraitQuery(traits=()):
            raise InvalidFieldError(
                field="traits",
                found="nothing to look for",
                expected="at least one trait, or a number of parameters",
                fix="Name one, such as format=onnx.",
            )
        of = fingerprint("search", namespace, query)
        after = decode_token(page.token, of, int)
        before = None if after is None else int(after[0])
        limit = page.limit()

        def fn(tx: Transaction) -> Sequence[Version]:
            found = tx.vetting.search(reach, query, before, limit + 1)
            return with_grace(tx, self._policies, found)

        found = self._database.read(fn)
        shown = [shown_to(caller, version) for version in found]
        return page_of(shown, limit, lambda version: (version.key,), of)


def _traits(asked: Sequence[str]) -> tuple[Trait, ...]:
    if len(asked) > ASKED_MAX:
        raise TooLargeError(
            what="traits", found=f"{len(asked)}", limit=f"{ASKED_MAX}", fix="Ask for fewer."
        )
    return tuple(_trait(f"traits[{number}]", text) for number, text in enumerate(asked))


def _trait(field: str, text: str) -> Trait:
    kind, equals, value = text.partition("=")
    if kind not in KINDS:
        raise InvalidFieldError(
            field=field,
            found=show(text),
            expected=f"kind=value, the kind one of {', '.join(KINDS)}",
            fix="Ask for one of these, such as operator=Conv.",
        )
    if not equals or not value or len(value) > VALUE_CHARS_MAX or not value.isprintable():
        raise InvalidFieldError(
            field=field,
            found=show(text),
            expected=f"{kind}=VALUE with 1 to {VALUE_CHARS_MAX} characters; "
            f"the value is {KINDS[kind]}",
            fix="Name the value that a version is to have, or leave the trait out.",
        )
    return trait(kind, value)


def _bound(field: str, number: int) -> int | None:
    if number < 0:
        raise InvalidFieldError(
            field=field, found=str(number), expected="0 or more", fix="Leave it out for any number."
        )
    return number or None
