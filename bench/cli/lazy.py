# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Groups of commands, each loaded when it is called: `trace` must start at once."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

import typer
import typer.core

from bench.cli.given import EachOnce

if TYPE_CHECKING:
    from collections.abc import Sequence


def plain_app(cls: type[typer.core.TyperGroup] | None = None) -> typer.Typer:
    """Return an application without the costly ornaments."""
    return typer.Typer(
        cls=cls,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )


def group_of(names: Sequence[str], modules: str) -> type[typer.core.TyperGroup]:
    """Return a group whose command NAME is ``command`` in the module ``modules``NAME.

    A module that has an ``app`` instead is a group itself.
    """

    class LoadedWhenCalled(typer.core.TyperGroup):
        def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]  # noqa: ARG002
            return list(names)

        def get_command(  # type: ignore[override]
            self,
            ctx: typer.Context,  # noqa: ARG002
            cmd_name: str,
        ) -> object:
            if cmd_name not in names:
                return None
            module = import_module(f"{modules}{cmd_name}")
            if hasattr(module, "app"):
                return typer.main.get_command(module.app)
            alone = plain_app()
            alone.command(cmd_name, cls=EachOnce)(module.command)
            return typer.main.get_command(alone)

    return LoadedWhenCalled
