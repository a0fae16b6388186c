"""completion: what the shell needs to complete commands and options."""

from __future__ import annotations

import click

from registry.cli.tree import cli

_HOW = {
    "bash": 'eval "$(hallmark completion bash)"   # in ~/.bashrc',
    "zsh": 'eval "$(hallmark completion zsh)"   # in ~/.zshrc, after compinit',
    "fish": "hallmark completion fish > ~/.config/fish/completions/hallmark.fish",
}


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a shell.

    In ~/.bashrc: eval "$(hallmark completion bash)"
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"There is no completion for {shell}.")
    click.echo(f"# {_HOW[shell]}")
    click.echo(kind(cli, {}, "hallmark", "_HALLMARK_COMPLETE").source())
