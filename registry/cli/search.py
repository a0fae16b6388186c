"""version search: versions by what vetting learned of their files."""

from __future__ import annotations

import click

from registry.cli.params import Count
from registry.cli.session import Session, limit_option, with_session


@click.command("search")
@click.argument("traits", metavar="[KIND=VALUE]...", nargs=-1)
@click.option("--namespace", default="", help="Only in this namespace.")
@click.option(
    "--min-parameters", type=Count(), default=0, help="In all files together, such as 7B."
)
@click.option("--max-parameters", type=Count(), default=0, help="The same at most, such as 500M.")
@limit_option
@with_session
def search(
    session: Session,
    traits: tuple[str, ...],
    namespace: str,
    min_parameters: int,
    max_parameters: int,
    limit: int,
) -> None:
    """Find versions by what vetting learned of their files, the newest first.

    Such as format=onnx operator=Conv opset=17, dtype=BF16, architecture=llama, license=apache-2.0,
    base-model=NAME, code=yes: all have to be there. A wrong kind is answered with all there are.
    """
    found = session.rows(
        session.client.vetting.search(
            *traits,
            namespace=namespace,
            parameters_min=min_parameters,
            parameters_max=max_parameters,
        ),
        limit,
    )
    rows = [
        (each.ref, each.state, each.vetting.verdict, session.digest(each.digest), each.card.license)
        for each in found
    ]
    headers = ("version", "state", "verdict", "digest", "license")
    session.emit({"versions": found}, session.table(rows, headers))
