# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""All commands with their options as click knows them, for completions and the man page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import click
import typer

from bench.campaign.gates import WHAT
from bench.cli.options import help_record, panel
from bench.plan.experiments import BASELINES
from bench.questions.claims.catalogue import claims
from bench.questions.transports.profiles import NAMES
from bench.tracer.transports import names


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
    known: dict[str, tuple[str, ...]] = {
        "--transport": (*names(), *BASELINES),
        "--fail-on": (*WHAT, *(f"{name}:{what}" for what in WHAT for name in names())),
        "--profile": NAMES,
        "--only": tuple(each.id for each in claims()),
        "--wakeup": ("adaptive", "none", "forced"),
        "--assign": ("record", "solo", "1ms"),
    }
    return known.get(option.opts[-1], ())
