# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""bufbench kernels prune."""

from __future__ import annotations

from typing import Annotated

import typer


def command(
    *,
    every: Annotated[
        bool, typer.Option("--all", help="All kernels, and the archives' lists.")
    ] = False,
) -> None:
    """Remove fetched kernels of which a newer one of the same series has been fetched.

    What killed fetches left behind goes too. Not while guests run.

    Example: bufbench kernels prune --all
    """
    from bench.guests.prune import prune
    from bench.guests.store import opened

    store = opened()
    for line in prune(store, every=every):
        typer.echo(line)
