# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""bufbench kernels: list, fetch, prune, run, report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option

from bench.cli import kernels_report, kernels_run
from bench.cli.options import AsJson, EachOnce, Sources, plain_app
from bench.cli.output import say

if TYPE_CHECKING:
    from bench.guests.catalogue import Kernel
    from bench.guests.library import Library

_ROOM_FOR_ALL = 120

app = plain_app()

Update = Annotated[bool, Option("--update", help="Fetch the archives' lists anew, however old.")]


@app.callback()
def _kernels() -> None:
    """Compare kernels: fetch them from distributions, boot them in guests, report on all.

    Nothing is installed, and nothing of this machine's is changed. docs/kernels.md has more.

    Example: bufbench kernels run 5.10 6.1 6.12 7.3
    """


@app.command("list", cls=EachOnce)
def list_kernels(
    *,
    every: Annotated[
        bool, Option("--all", help="Not just the newest of each series and flavour.")
    ] = False,
    sources: Sources = None,
    update: Update = False,
    as_json: AsJson = False,
) -> None:
    """Show which kernels can be had, and which have been fetched.

    Lists are those of today; older ones are fetched anew. A kernel without modules boots only if
    its image brings the drivers that a guest needs.

    Example: bufbench kernels list

    Example: bufbench kernels list --all --json
    """
    from bench.guests.catalogue import newest
    from bench.guests.library import opened

    library = opened(sources, say)
    known = library.known(update=update, troubles=True)
    rows = list(_rows(known if every else newest(known), library))
    if as_json:
        import json

        typer.echo(json.dumps(rows, indent=2))
    else:
        _print_table(rows)


@app.command(cls=EachOnce)
def fetch(
    series: Annotated[
        list[str], Argument(help="6.12, 6.12-rt, a release or a package.", metavar="SERIES...")
    ],
    *,
    sources: Sources = None,
    update: Update = False,
    as_json: AsJson = False,
) -> None:
    """Fetch kernels and unpack them, so that they can be booted.

    6.12 is the newest of that series, 6.12-rt and 6.12-cloud its flavours; releases, packages and
    their versions are taken too. Signatures are checked. Kernels lie in bufbench/kernels below
    XDG_CACHE_HOME; what is there already is not fetched again.

    Example: bufbench kernels fetch 5.10 6.12-rt 7.3-cloud
    """
    from bench.guests.sources import Options, provide

    images = provide(series, Options(say=say, sources_file=sources, update=update))
    if as_json:
        import json

        fields = ("label", "release", "vmlinuz", "modules", "origin")
        rows = [{name: getattr(image, name) for name in fields} for image in images]
        typer.echo(json.dumps(rows, default=str, indent=2))
        return
    for image in images:
        typer.echo(f"{image.label}: {image.release or 'unknown release'}, {image.vmlinuz}")


@app.command(cls=EachOnce)
def prune(
    *,
    every: Annotated[bool, Option("--all", help="All kernels, and the archives' lists.")] = False,
) -> None:
    """Remove fetched kernels of which a newer one of the same series has been fetched.

    What killed fetches left behind goes too. Not while guests run.

    Example: bufbench kernels prune --all
    """
    from bench.guests.store import opened

    for line in opened().prune(every=every):
        typer.echo(line)


app.command("run", cls=EachOnce)(kernels_run.command)
app.command("report", cls=EachOnce)(kernels_report.command)


def _rows(kernels: Sequence[Kernel], library: Library) -> Iterator[dict[str, Any]]:
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


def _print_table(rows: Sequence[Mapping[str, Any]]) -> None:
    from rich.table import Table

    from bench.report.renderers.terminal import Screen

    screen = Screen()
    several = len({row["archive"] for row in rows}) > 1
    names = ["series", "flavour", "version", "release", "suite"]
    if screen.width < _ROOM_FOR_ALL:
        if screen.is_terminal:
            names.remove("release")  # the version says nearly the same
        else:
            screen.width = _ROOM_FOR_ALL
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in names:
        table.add_column(name, no_wrap=True)
    table.add_column("MB", justify="right")
    table.add_column("", no_wrap=True)
    for row in rows:
        cells = [str(row[name]) for name in names]
        if several:
            cells[-1] = f"{row['archive']} {cells[-1]}"
        remarks = ["fetched"] * row["fetched"] + ["no modules"] * (not row["modules"])
        table.add_row(*cells, f"{row['download_bytes'] / 1e6:.0f}", ", ".join(remarks))
    screen.print(table)
