# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""bufbench kernels fetch."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def command(
    series: Annotated[
        list[str],
        typer.Argument(help="6.12, 6.12-rt, a release or a package.", metavar="SERIES..."),
    ],
    *,
    sources: Annotated[
        Path | None, typer.Option(help="Take this kernels.toml.", metavar="FILE")
    ] = None,
    update: Annotated[
        bool, typer.Option("--update", help="Fetch the archives' lists anew, however old.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Fetch kernels and unpack them, so that they can be booted.

    6.12 is the newest of that series, 6.12-rt and 6.12-cloud its flavours; releases, packages and
    their versions are taken too. Signatures are checked. Kernels lie in bufbench/kernels below
    XDG_CACHE_HOME; what is there already is not fetched again.

    Example: bufbench kernels fetch 5.10 6.12-rt 7.3-cloud
    """
    from bench.guests.provide import provide

    images = provide(series, say=_say, sources_file=sources, update=update)
    if as_json:
        import json

        fields = ("label", "release", "vmlinuz", "modules", "origin")
        rows = [{name: getattr(image, name) for name in fields} for image in images]
        typer.echo(json.dumps(rows, default=str, indent=2))
        return
    for image in images:
        typer.echo(f"{image.label}: {image.release or 'unknown release'}, {image.vmlinuz}")


def _say(line: str) -> None:
    print(f"bufbench: {line}", file=sys.stderr)
