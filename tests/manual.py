# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Make the manual page, docs/bufbench.1, from all commands as click knows them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click
import typer

from bench.cli import IGNORED, VARIABLES

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what typer says of click
    from bench.cli.app import app
    from bench.cli.options import help_record, panel

PAGE: Final = Path(__file__).parents[1] / "docs/bufbench.1"
_EXAMPLE: Final = "Example: "


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """Describe an option: what is typed, what it takes and what it does."""

    flags: tuple[str, ...]
    metavar: str  # "" of one that takes no value
    help: str
    panel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """Describe a command by what is typed after bufbench; ``paragraphs`` are those of its help."""

    words: tuple[str, ...]
    usage: str
    paragraphs: tuple[str, ...]
    options: tuple[Option, ...]


def nodes() -> Iterator[Node]:
    """Yield bufbench itself, then every command, groups before their members."""
    group = typer.main.get_command(app)
    yield from _walk(group, click.Context(group, info_name="bufbench"))


def _walk(command: Any, context: click.Context) -> Iterator[Node]:
    words = context.command_path.split()[1:]
    options = (each for each in command.get_params(context) if each.param_type_name == "option")
    yield Node(
        words=tuple(words),
        usage=" ".join(("bufbench", *words, *command.collect_usage_pieces(context))),
        paragraphs=tuple(" ".join(each.split()) for each in command.help.split("\n\n")),
        options=tuple(_option(each, context) for each in options),
    )
    for name in command.list_commands(context) if hasattr(command, "list_commands") else ():
        child = command.get_command(context, name)
        yield from _walk(child, click.Context(child, parent=context, info_name=name))


def _option(option: Any, context: click.Context) -> Option:
    typed, text = help_record(option, context) or ("", "")
    takes = not (option.is_flag or option.count)
    return Option(
        flags=tuple(sorted((*option.opts, *option.secondary_opts), key=len)),
        metavar=typed.rpartition(" ")[2] if takes else "",
        help=" ".join(text.split()),
        panel=panel(option),
    )


def page() -> str:
    """Return the page in troff."""
    return "\n".join(_lines(*nodes())) + "\n"


def _lines(whole: Node, *commands: Node) -> Iterator[str]:
    title = whole.paragraphs[0]
    yield '.TH BUFBENCH 1 "" "" "User Commands"\n.nh\n.ad l'
    yield f".SH NAME\nbufbench \\- {_plain(title[:1].lower() + title[1:].rstrip('.'))}"
    yield f".SH SYNOPSIS\n.B {_plain(whole.usage)}"
    yield ".SH DESCRIPTION"
    yield from _texts(whole.paragraphs[1:])
    yield from _options(whole)
    yield ".SH COMMANDS"
    for node in commands:
        yield f".SS {_plain(node.usage)}"
        yield from _texts(node.paragraphs)
        yield from _options(node)
    yield ".SH ENVIRONMENT"
    for name, meaning in VARIABLES.items():
        yield f".TP\n.B {_plain(name)}\n{_plain(meaning)}"
    yield f".PP\nRemoved from the environment: {_plain(', '.join(IGNORED))}."
    yield ".SH FILES"
    yield ".TP\n.I results/\nJournals, and the pages beside them."
    yield ".TP\n.I bufbench.toml, pyproject.toml\nDefaults of options, in the working folder."
    yield ".SH EXAMPLES\n.nf"
    for node in (whole, *commands):
        for text in node.paragraphs:
            if text.startswith(_EXAMPLE):
                yield _plain(text.removeprefix(_EXAMPLE))
    yield ".fi"


def _texts(paragraphs: tuple[str, ...]) -> Iterator[str]:
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
            choices = _plain(option.metavar).replace("|", "|\\:")  # a line may end there
            value = f" \\fI{choices}\\fR" if option.metavar else ""
            flags = ", ".join(f"\\fB{_plain(flag)}\\fR" for flag in option.flags)
            yield f".TP\n{flags}{value}\n{_plain(option.help)}"


def _plain(text: str) -> str:
    """Return ``text`` as troff shows it: no escapes, no requests, hyphens that can be copied."""
    shown = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{shown}" if shown[:1] in ".'" else shown
