"""The tree of commands: which there are, where each is defined, and how a word finds its command.

A first word may be shortened as far as it stays unambiguous; one that fits nothing is answered with
the nearest. The table below is what `--help` shows, so a command's module loads only when it runs;
a test compares the two.
"""

from __future__ import annotations

import difflib
import importlib
from dataclasses import dataclass
from typing import Any

import click


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A command of the first level. `attribute` is its name in the module."""

    name: str
    module: str
    attribute: str
    help: str


def _entry(name: str, place: str, help: str) -> Entry:
    module, _, attribute = place.partition(":")
    return Entry(name=name, module=f"registry.cli.{module}", attribute=attribute, help=help)


#: In the order of `--help`: by what people do, not by letter.
COMMANDS = (
    _entry("push", "push:push", "Register files as a new version; only missing bytes are sent."),
    _entry("pull", "pull:pull", "Fetch a version's files, verified, into a new folder."),
    _entry("resolve", "references:resolve", "Say which version a reference means now."),
    _entry("list", "models:list_models", "List models; short for `model list`."),
    _entry("diff", "diff:diff", "Compare two versions: files, card, metrics, parameters."),
    _entry("promote", "promotions:promote", "Ask for a version to enter a stage."),
    _entry("decide", "promotions:decide", "Approve or reject a promotion."),
    _entry("inbox", "inbox:inbox", "Show what waits for your decision."),
    _entry("rollback", "stages:rollback", "Put back what a stage held before."),
    _entry("history", "stages:history", "Show which version was in a stage when."),
    _entry("lineage", "lineage:lineage", "Show what a version was made from, and what from it."),
    _entry("model", "models:model", "Create, show, change, delete and like models."),
    _entry("vet", "vet:vet", "Check files before anyone loads them."),
    _entry("ready", "ready:ready", "Say whether a version will load and answer on Triton."),
    _entry(
        "convert", "convert:convert", "Make a version in another format, proved to be the same."
    ),
    _entry("version", "versions:version", "List, show, yank and evaluate versions."),
    _entry("commit", "commits:commit", "List and show commits."),
    _entry("ref", "references:ref", "List, set and delete aliases, tags and branches."),
    _entry("promotion", "promotions:promotion", "Show, list and withdraw promotions."),
    _entry("waiver", "waivers:waiver", "Ask for exceptions from a rule, decide on them, end them."),
    _entry("access", "access:access", "Show and set models' terms, accept them, let people in."),
    _entry(
        "review",
        "reviews:review",
        "List and decide on reviews of moves with --break-glass.",
    ),
    _entry("policy", "policies:policy", "Test, compare, propose and explain the gates' rules."),
    _entry("login", "login:login", "Log in to a server, with a password or a token."),
    _entry("logout", "login:logout", "Forget a server's token."),
    _entry("whoami", "login:whoami", "Show who you are there, and what you may do."),
    _entry("token", "tokens:token", "Create, list, rotate and revoke tokens."),
    _entry("namespace", "namespaces:namespace", "Claim, list, change and give back namespaces."),
    _entry("principal", "principals:principal", "Manage people, robots and their grants."),
    _entry("auth", "auth:auth", "See how people are known here, and what they may do."),
    _entry("events", "events:events", "List audit events."),
    _entry("audit", "audit:audit", "Verify, prove, export and question the audit log."),
    _entry("webhook", "webhooks:webhook", "Send events to other systems, signed."),
    _entry("info", "info:info", "Show the server's version, addresses and limits."),
    _entry("serve", "serve:serve", "Run the registry."),
    _entry("fsck", "serve:fsck", "Check a registry's database, bytes and audit log."),
    _entry("completion", "completion:completion", "Print the shell's completion script."),
)


class Group(click.Group):
    """A group whose commands may be shortened."""

    #: What to do with a first word that is no command: None refuses it.
    default_command: str | None = None

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        word = args[0]
        names = self.list_commands(ctx)
        if word in names:
            return word, self.get_command(ctx, word), args[1:]
        if self.default_command is not None and not _begins_any(word, names):
            return self.default_command, self.get_command(ctx, self.default_command), args
        name = complete_word(word, names, what="command")
        return name, self.get_command(ctx, name), args[1:]


class LazyGroup(Group):
    """The root: its commands come from the table, each loaded when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [entry.name for entry in COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        for entry in COMMANDS:
            if entry.name == cmd_name:
                found: click.Command = getattr(
                    importlib.import_module(entry.module), entry.attribute
                )
                return found
        return None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(entry.name, entry.help) for entry in COMMANDS])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        from click.shell_completion import CompletionItem

        found = [
            CompletionItem(entry.name, help=entry.help)
            for entry in COMMANDS
            if entry.name.startswith(incomplete)
        ]
        # Not the group's own way, which would load every command's module.
        return found + click.Command.shell_complete(self, ctx, incomplete)


def complete_word(word: str, names: list[str], *, what: str) -> str:
    """The one name that is this word or begins with it; else a UsageError with the nearest ones."""
    if word in names:
        return word
    fitting = [name for name in names if name.startswith(word)]
    if len(fitting) == 1 and word:
        return fitting[0]
    if word and fitting:
        raise click.UsageError(f"{what} {word!r} could be {_either(fitting)}. Write more of it.")
    near = difflib.get_close_matches(word, names, n=3, cutoff=0.5)
    hint = f" Did you mean {_either(near)}?" if near else f" There are {', '.join(names)}."
    raise click.UsageError(f"There is no {what} {word!r}.{hint}")


def _begins_any(word: str, names: list[str]) -> bool:
    return any(name.startswith(word) for name in names)


def _either(names: list[str]) -> str:
    return " or ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="hallmark-registry", prog_name="hallmark")
def cli() -> None:
    """Hallmark, a private model registry: vetted, decided on, traceable.

    Models are written fraud/scorer, versions fraud/scorer@7, @production or @sha256:...
    Exit codes: 0 done, 1 refused, 2 usage, 3 not found or no right to know, 4 server or network,
    5 cannot tell.
    """
