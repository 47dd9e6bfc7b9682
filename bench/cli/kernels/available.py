# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Define bufbench kernels list, fetch and prune, and provide images for the other commands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from typer import Argument

from bench.amounts import size
from bench.cli.options import AsJson, Sources, of_output, of_run, refuse
from bench.cli.output import answer, say
from bench.errors import BufbenchError, Say, reject

if TYPE_CHECKING:
    from bench.guests.sources import Image, Listed

_ROOM_FOR_ALL: Final = 120
_Update = Annotated[bool, of_run("--update", help="Fetch the archives' lists again, however old.")]
_NOT_ONLY_NEWEST = of_output("--all", help="Not just the newest of each series and flavour.")
_SERIES = Argument(
    help="6.12, 6.12-rt, a release, a package, ci-kernels:6.12, a JSON list.", metavar="SERIES..."
)
_BESIDE = Argument(
    help="List kernels like this one: 6.12-rt, ci-kernels, oci:./FOLDER.",
    metavar="[KERNEL...]",
    show_default=False,
)
_EVERYTHING = of_run("--all", help="All kernels, and the archives' lists.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """List what was removed, and what was kept."""

    lines: tuple[str, ...]


def list_kernels(
    labels: Annotated[list[str] | None, _BESIDE] = None,
    *,
    every: Annotated[bool, _NOT_ONLY_NEWEST] = False,
    sources: Sources = None,
    update: _Update = False,
    as_json: AsJson = False,
) -> None:
    """Show which kernels are available, and which have been fetched.

    Lists older than a day are fetched again. A kernel without modules boots only if its image
    contains the drivers that a guest needs. Of OCI images only fetched ones are shown; name a
    repository or a folder for all of its tags.

    Example: bufbench kernels list

    Example: bufbench kernels list ci-kernels oci:./folder

    Example: bufbench kernels list --all --json
    """
    from bench.guests.sources import Options, offers

    options = Options(say=say, sources_file=sources, update=update, every=every)
    rows = offers(labels or [], options)
    if as_json:
        answer("json", (), tuple(rows))
    else:
        _print_table(rows)


def fetch(
    series: Annotated[list[str], _SERIES],
    *,
    sources: Sources = None,
    update: _Update = False,
    as_json: AsJson = False,
) -> None:
    """Fetch kernels and unpack them, so that they can be booted.

    6.12 is the newest of that series, 6.12-rt and 6.12-cloud its flavours; releases, packages and
    their versions are accepted too, and OCI images. Signatures of packages and digests of images
    are checked. Kernels are kept in bufbench/kernels below XDG_CACHE_HOME; those already there are
    not fetched again.

    Example: bufbench kernels fetch 5.10 6.12-rt 7.3-cloud

    Example: bufbench kernels fetch ci-kernels:6.12 lvh:6.12-main oci:./folder:6.12
    """
    from bench.guests.lists import expand
    from bench.guests.sources import Options, provide

    images = provide(expand(series), Options(say=say, sources_file=sources, update=update))
    if as_json:
        answer("json", (), tuple(images))
        return
    for image in images:
        typer.echo(f"{image.label}: {image.release or 'unknown release'}, {image.vmlinuz}")


def prune(*, every: Annotated[bool, _EVERYTHING] = False, as_json: AsJson = False) -> None:
    """Remove fetched kernels of which a newer one of the same series has been fetched.

    Remains of killed fetches are removed too. Do not prune while guests run.

    Example: bufbench kernels prune --all
    """
    from bench.guests import sources, systems

    lines = chain(sources.prune(every=every), systems.prune(every=every))
    if as_json:
        answer("json", (), Pruned(lines=tuple(lines)))
        return
    for line in lines:
        typer.echo(line)


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
    table.add_column("download", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for row in rows:
        cells = [str(getattr(row, name)) for name in names]
        if several:
            cells[-1] = f"{row.archive} {cells[-1]}"
        remarks = ["fetched"] * row.fetched + ["no modules"] * (row.modules is False)
        wanted = "" if row.download_bytes is None else size(row.download_bytes)
        table.add_row(*cells, wanted, ", ".join(remarks))
    screen.print(table)


def check_sources(context: typer.Context, kernels: Sequence[str]) -> None:
    """Raise UsageError for --sources if no kernel is fetched."""
    from bench.guests.sources import source_of

    wanted = [source_of(label) for label in kernels]  # each is checked
    none = not any(each.fetches for each in wanted)
    refuse(context, none, "where no kernel is an archive's", "sources")


def check_booted(kernels: Sequence[str], example: str = "/boot/vmlinuz") -> None:
    """Raise UsageError for the host, and for kernels that would share a name."""
    from bench.guests.sources.host import HOST
    from bench.questions.kernels.run import check_names

    reject(HOST in kernels, "host is not booted", f"name an image, like {example}")
    check_names(kernels)


def provided(
    kernels: Sequence[str], sources: Path | None, say: Say, lacking: Mapping[str, object]
) -> Iterator[tuple[str, Image | str]]:
    """Yield each kernel with its image, or why there is none now; the ``lacking`` ones first.

    The latter are not fetched; their reasons are given.
    """
    from bench.guests.sources import Options, each_or_why

    yield from ((label, str(why)) for label, why in lacking.items())
    wanted = [label for label in kernels if label not in lacking]
    for label, image in each_or_why(wanted, Options(say=say, sources_file=sources)):
        yield label, str(image) if isinstance(image, BufbenchError) else image
