# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""bufbench kernels list, fetch and prune: which kernels there are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from typer import Argument

from bench.cli.options import (
    AsJson,
    Sources,
    of_output,
    of_run,
)
from bench.cli.output import answer_json, say

if TYPE_CHECKING:
    from bench.guests.catalogue import Kernel
    from bench.guests.library import Library

_ROOM_FOR_ALL: Final = 120

Update = Annotated[bool, of_run("--update", help="Fetch the archives' lists anew, however old.")]
_NOT_ONLY_NEWEST = of_output("--all", help="Not just the newest of each series and flavour.")
_SERIES = Argument(help="6.12, 6.12-rt, a release or a package.", metavar="SERIES...")
_EVERYTHING = of_run("--all", help="All kernels, and the archives' lists.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A kernel that can be had."""

    series: str
    flavour: str
    release: str
    version: str
    archive: str
    suite: str
    modules: bool
    packages: tuple[str, ...]
    download_bytes: int
    fetched: bool
    vmlinuz: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What was removed, and what was kept, in words."""

    lines: tuple[str, ...]


def list_kernels(
    *,
    every: Annotated[bool, _NOT_ONLY_NEWEST] = False,
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
        answer_json(tuple(rows))
    else:
        _print_table(rows)


def fetch(
    series: Annotated[list[str], _SERIES],
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
        answer_json(tuple(images))
        return
    for image in images:
        typer.echo(f"{image.label}: {image.release or 'unknown release'}, {image.vmlinuz}")


def prune(*, every: Annotated[bool, _EVERYTHING] = False, as_json: AsJson = False) -> None:
    """Remove fetched kernels of which a newer one of the same series has been fetched.

    What killed fetches left behind goes too. Not while guests run.

    Example: bufbench kernels prune --all
    """
    from bench.guests.store import opened

    lines = opened().prune(every=every)
    if as_json:
        answer_json(Pruned(lines=tuple(lines)))
        return
    for line in lines:
        typer.echo(line)


def _rows(kernels: Sequence[Kernel], library: Library) -> Iterator[Listed]:
    from bench.report.document import pick

    fetched = {one.kernel.key: one for one in library.store.fetched()}
    for kernel in kernels:
        here = fetched.get(kernel.key)
        yield pick(
            Listed,
            kernel,
            series=kernel.upstream.series,
            modules=kernel.has_modules,
            packages=tuple(package.name for package in kernel.packages),
            download_bytes=sum(package.size_bytes for package in kernel.packages),
            fetched=here is not None,
            vmlinuz=here.vmlinuz if here else None,
        )


def _print_table(rows: Sequence[Listed]) -> None:
    from rich.table import Table

    from bench.report.renderers.text import Screen

    screen = Screen()
    several = len({row.archive for row in rows}) > 1
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
        cells = [str(getattr(row, name)) for name in names]
        if several:
            cells[-1] = f"{row.archive} {cells[-1]}"
        remarks = ["fetched"] * row.fetched + ["no modules"] * (not row.modules)
        table.add_row(*cells, f"{row.download_bytes / 1e6:.0f}", ", ".join(remarks))
    screen.print(table)
