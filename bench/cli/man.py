# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""bufbench man: the manual page, made from the help of every command."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from bench.cli import IGNORED, VARIABLES

if TYPE_CHECKING:
    from bench.cli.tree import Node, Option

_EXAMPLE: Final = "Example: "


def command() -> None:
    """Print the manual page, which contains the help of every command.

    Example: bufbench man > bufbench.1
    """
    from bench.cli.tree import nodes

    print("\n".join(page(list(nodes()))))


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
