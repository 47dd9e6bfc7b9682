# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""bufbench man: the manual page, made from all commands with their options as click knows them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import click
import typer

from bench.cli import IGNORED, VARIABLES
from bench.cli.options import help_record, panel
from bench.plan.experiments import BASELINES
from bench.tracer.transports import names

_EXAMPLE: Final = "Example: "


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """An option: what is typed, what it takes and what it does."""

    flags: tuple[str, ...]
    metavar: str  # "" of one that takes no value
    help: str
    panel: str
    several: bool
    values: tuple[str, ...]  # what it takes, if that is known
    path: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A command; ``words`` are what is typed after bufbench."""

    words: tuple[str, ...]
    usage: str
    help: str
    options: tuple[Option, ...]
    values: tuple[str, ...]  # of its arguments
    paths: bool  # its arguments are files
    children: tuple[str, ...]

    @property
    def summary(self) -> str:
        """Return the first sentence of the help."""
        return " ".join(self.help.split("\n\n")[0].split())


def command() -> None:
    """Print the manual page, which contains the help of every command.

    Example: bufbench man > bufbench.1
    """
    print("\n".join(page(list(nodes()))))


def nodes() -> Iterator[Node]:
    """Yield bufbench itself, then every command, groups before their members."""
    from bench.cli.app import app

    group = typer.main.get_command(app)
    yield from _walk(group, click.Context(group, info_name="bufbench"))


def _walk(command: Any, context: click.Context) -> Iterator[Node]:
    words = tuple(context.command_path.split()[1:])
    parameters = command.get_params(context)
    arguments = [each for each in parameters if each.param_type_name == "argument"]
    children = tuple(command.list_commands(context)) if hasattr(command, "list_commands") else ()
    yield Node(
        words=words,
        usage=" ".join(("bufbench", *words, *command.collect_usage_pieces(context))),
        help=command.help or "",
        options=tuple(
            _option(each, context) for each in parameters if each.param_type_name == "option"
        ),
        values=names() if words == ("duet",) else (),
        paths=any(each.type.name in ("path", "file") for each in arguments),
        children=children,
    )
    for name in children:
        child = command.get_command(context, name)
        yield from _walk(child, click.Context(child, parent=context, info_name=name))


def _option(option: Any, context: click.Context) -> Option:
    typed, text = help_record(option, context) or ("", "")
    flags = (*option.opts, *option.secondary_opts)
    takes = not (option.is_flag or option.count)
    return Option(
        flags=tuple(sorted(flags, key=len)),
        metavar=typed.rpartition(" ")[2] if takes else "",
        help=" ".join(text.split()),
        panel=panel(option),
        several=option.multiple,
        values=_values(option) if takes else (),
        path=option.type.name in ("path", "file"),
    )


def _values(option: Any) -> tuple[str, ...]:
    """Return what an option takes: click's choices, or names that click does not know."""
    if isinstance(option.type, click.Choice):
        return tuple(map(str, option.type.choices))
    from bench.campaign.gates import WHAT
    from bench.questions.claims.catalogue import claims
    from bench.questions.transports.profiles import NAMES

    known: dict[str, tuple[str, ...]] = {
        "--transport": (*names(), *BASELINES),
        "--fail-on": (*WHAT, *(f"{name}:{what}" for what in WHAT for name in names())),
        "--profile": NAMES,
        "--only": tuple(each.id for each in claims()),
        "--wakeup": ("adaptive", "none", "forced"),
        "--assign": ("record", "solo", "1ms"),
    }
    return known.get(option.opts[-1], ())


def page(nodes: Sequence[Node]) -> Iterator[str]:
    """Yield the lines of the page in troff."""
    whole, *commands = nodes
    first, *more = _paragraphs(whole)
    yield '.TH BUFBENCH 1 "" "" "User Commands"\n.nh\n.ad l'
    yield f".SH NAME\nbufbench \\- {_plain(first[:1].lower() + first[1:].rstrip('.'))}"
    yield f".SH SYNOPSIS\n.B {_plain(whole.usage)}"
    yield ".SH DESCRIPTION"
    yield from _texts(more)
    yield from _options(whole)
    yield ".SH COMMANDS"
    for node in commands:
        yield f".SS {_plain(node.usage)}"
        yield from _texts(_paragraphs(node))
        yield from _options(node)
    yield ".SH ENVIRONMENT"
    for name, meaning in VARIABLES.items():
        yield f".TP\n.B {_plain(name)}\n{_plain(meaning)}"
    yield f".PP\nRemoved from the environment: {_plain(', '.join(IGNORED))}."
    yield ".SH FILES"
    yield ".TP\n.I results/\nJournals, and the pages beside them."
    yield ".TP\n.I bufbench.toml, pyproject.toml\nDefaults of options, in the working folder."
    yield ".SH EXAMPLES\n.nf"
    for node in nodes:
        for text in _paragraphs(node):
            if text.startswith(_EXAMPLE):
                yield _plain(text.removeprefix(_EXAMPLE))
    yield ".fi"


def _paragraphs(node: Node) -> list[str]:
    return [" ".join(each.split()) for each in node.help.split("\n\n")]


def _texts(paragraphs: Sequence[str]) -> Iterator[str]:
    for text in paragraphs:
        if not text.startswith(_EXAMPLE):
            yield f".PP\n{_plain(text)}"


def _options(node: Node) -> Iterator[str]:
    panels: dict[str, list[Option]] = {}
    for option in node.options:
        if "--help" not in option.flags:
            panels.setdefault(option.panel, []).append(option)
    for name, options in panels.items():
        yield f".PP\n{_plain(name)}:"
        for option in options:
            value = f" \\fI{_plain(option.metavar)}\\fR" if option.metavar else ""
            flags = ", ".join(f"\\fB{_plain(flag)}\\fR" for flag in option.flags)
            yield f".TP\n{flags}{value}\n{_plain(option.help)}"


def _plain(text: str) -> str:
    """Return ``text`` as troff shows it: no escapes, no requests, hyphens that can be copied."""
    shown = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{shown}" if shown[:1] in ".'" else shown
