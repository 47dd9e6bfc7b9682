# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""bufbench kernels list."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bench.guests.catalogue import Kernel
    from bench.guests.library import Library

_ROOM_FOR_ALL = 120


def command(
    *,
    every: Annotated[
        bool, typer.Option("--all", help="Not just the newest of each series and flavour.")
    ] = False,
    sources: Annotated[
        Path | None, typer.Option(help="Take this kernels.toml.", metavar="FILE")
    ] = None,
    update: Annotated[
        bool, typer.Option("--update", help="Fetch the archives' lists anew, however old.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Show which kernels can be had, and which have been fetched.

    Lists are those of today; older ones are fetched anew. A kernel without modules boots only if
    its image brings the drivers that a guest needs.

    Example: bufbench kernels list

    Example: bufbench kernels list --all --json
    """
    from bench.guests.catalogue import newest
    from bench.guests.library import opened

    library = opened(sources, _say)
    known = library.known(update=update)
    library.tell_troubles()
    rows = list(_rows(known if every else newest(known), library))
    if as_json:
        import json

        typer.echo(json.dumps(rows, indent=2))
    else:
        _table(rows)


def _rows(kernels: Iterable[Kernel], library: Library) -> Iterable[dict[str, object]]:
    fetched = {one.kernel.key: one for one in library.store.fetched()}
    for kernel in kernels:
        here = fetched.get(kernel.key)
        yield {
            "series": kernel.upstream.series,
            "flavour": kernel.flavour,
            "release": kernel.release,
            "version": kernel.version,
            "archive": kernel.archive,
            "suite": kernel.suite,
            "modules": kernel.has_modules,
            "packages": [package.name for package in kernel.packages],
            "download_bytes": sum(package.size_bytes for package in kernel.packages),
            "fetched": here is not None,
            "vmlinuz": str(here.vmlinuz) if here else None,
        }


def _table(rows: Sequence[Mapping[str, object]]) -> None:
    from rich.table import Table

    from bench.report.renderers.terminal import Screen

    screen = Screen()
    several = len({row["archive"] for row in rows}) > 1
    texts = ["series", "flavour", "version", "release", "suite"]
    if screen.width < _ROOM_FOR_ALL:
        if screen.is_terminal:
            texts.remove("release")  # the version says nearly the same
        else:
            screen.width = _ROOM_FOR_ALL
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in texts:
        table.add_column(name, no_wrap=True)
    table.add_column("MB", justify="right")
    table.add_column("", no_wrap=True)
    for row in rows:
        told = [str(row[name]) for name in texts]
        if several:
            told[-1] = f"{row['archive']} {told[-1]}"
        megabytes = int(str(row["download_bytes"])) / 1_000_000
        remarks = ["fetched"] * bool(row["fetched"]) + ["no modules"] * (not row["modules"])
        table.add_row(*told, f"{megabytes:.0f}", ", ".join(remarks))
    screen.print(table)


def _say(line: str) -> None:
    print(f"bufbench: {line}", file=sys.stderr)
