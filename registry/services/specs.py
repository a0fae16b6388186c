"""Rules for what a registrant says of a version."""

from __future__ import annotations

import dataclasses
import re
from urllib.parse import urlsplit

from registry.domain.access import Action, Caller
from registry.domain.scopes import model_in
from registry.domain.versions import Base, Card, Dataset, Version, VersionSpec
from registry.errors import InvalidFieldError, TooLargeError
from registry.names import VersionName
from registry.names.text import invalid, show
from registry.services.fields import check_numbers, check_pairs, check_text

DATASETS_MAX = 100
BASES_MAX = 100
#: Of a version's spec and its card's metadata block together.
METADATA_BYTES_MAX = 256_000

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def check_bases(caller: Caller, bases: tuple[Base, ...]) -> tuple[VersionName, ...]:
    """The bases' names, each to be read by the caller. Judges names alone."""
    _check_count("spec.bases", len(bases), BASES_MAX)
    names = tuple(
        VersionName.parse(base.version, field=f"spec.bases[{number}].version")
        for number, base in enumerate(bases)
    )
    for name in names:
        caller.require(Action.VERSION_READ, name.model.namespace, str(name))
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise invalid("spec.bases", f"{twice} twice", "each base once", "Drop one.")
    return names


def shown_to(caller: Caller, version: Version) -> Version:
    """The version, without the bases whose models the caller may not read."""
    bases = version.spec.bases
    if not bases:
        return version
    shown = tuple(base for base in bases if may_read(caller, base.version))
    if len(shown) == len(bases):
        return version
    return dataclasses.replace(
        version,
        spec=dataclasses.replace(version.spec, bases=shown),
        hidden_base_count=len(bases) - len(shown),
    )


def may_read(caller: Caller, version: str) -> bool:
    """Whether a version of this name may be read by the caller, if there is one."""
    model = model_in(version) or ""
    return caller.may(Action.VERSION_READ, model.partition("/")[0], model=model)


def check_spec(spec: VersionSpec) -> VersionSpec:
    """The spec with its pairs sorted, if every field keeps its bounds. `check_bases` is apart."""
    check_text("spec.description", spec.description, 10_000)
    _check_count("spec.datasets", len(spec.datasets), DATASETS_MAX)
    for number, dataset in enumerate(spec.datasets):
        check_dataset(f"spec.datasets[{number}]", dataset)
    check_text("spec.code.repository", spec.code.repository, 2000, one_line=True)
    check_text("spec.code.revision", spec.code.revision, 200, one_line=True)
    _check_url("spec.run_url", spec.run_url)
    return VersionSpec(
        description=spec.description,
        parameters=check_pairs("spec.parameters", spec.parameters),
        metrics=check_numbers("spec.metrics", spec.metrics),
        datasets=spec.datasets,
        code=spec.code,
        run_url=spec.run_url,
        bases=spec.bases,
    )


def check_dataset(field: str, dataset: Dataset, *, digest_required: bool = False) -> Dataset:
    """The data set itself, if its name, digest and the rest keep their bounds."""
    check_text(f"{field}.name", dataset.name, 200, required=True, one_line=True)
    check_text(f"{field}.uri", dataset.uri, 2000, one_line=True)
    check_text(f"{field}.role", dataset.role, 100, one_line=True)
    if (dataset.digest or digest_required) and not _DIGEST.fullmatch(dataset.digest):
        raise InvalidFieldError(
            field=f"{field}.digest",
            found=show(dataset.digest) if dataset.digest else "nothing",
            expected="sha256: and 64 hex digits in lower case",
            fix="Give the sha256 of the data."
            if digest_required
            else "Give the sha256 of the data, or leave it out.",
        )
    return dataset


def check_metadata_size(spec: VersionSpec, card: Card) -> None:
    """Raise TooLargeError where spec and card together pass 256 kB of UTF-8."""
    size_bytes = _metadata_bytes(spec, card)
    if size_bytes > METADATA_BYTES_MAX:
        raise TooLargeError(
            what="metadata (spec and the card's metadata block)",
            found=f"{size_bytes} bytes",
            limit=f"{METADATA_BYTES_MAX} bytes",
            fix="Put what is long into a file of the version.",
        )


def metadata_bytes(version: Version) -> int:
    """The size of a version's spec and its card's metadata block."""
    return _metadata_bytes(version.spec, version.card)


def _metadata_bytes(spec: VersionSpec, card: Card) -> int:
    texts = "".join((*_texts(spec), card.metadata_json))
    return len(texts.encode()) + 8 * len(spec.metrics)


def _texts(spec: VersionSpec) -> list[str]:
    code = spec.code
    texts = [spec.description, spec.run_url, code.repository, code.revision]
    for pair in spec.parameters:
        texts += pair
    texts += [key for key, _ in spec.metrics]
    for dataset in spec.datasets:
        texts += (dataset.name, dataset.digest, dataset.uri, dataset.role)
    texts += [base.version for base in spec.bases]
    return texts


def _check_url(field: str, url: str) -> None:
    check_text(field, url, 2000, one_line=True)
    if not url:
        return
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidFieldError(
            field=field,
            found=show(url),
            expected="an address that begins with http:// or https:// and names a host",
            fix="Give the address of the run's page, or leave it out.",
        )


def _check_count(field: str, count: int, count_max: int) -> None:
    if count > count_max:
        raise TooLargeError(
            what=field,
            found=f"{count} entries",
            limit=f"{count_max} entries",
            fix="Drop some.",
        )
