# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Provide the images of the kernels that a command boots."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from bench.cli.options import refuse, reject
from bench.errors import BufbenchError

if TYPE_CHECKING:
    from bench.guests.sources import Image
    from bench.questions.kernels.run import Say


def check_sources(context: typer.Context, kernels: Sequence[str]) -> None:
    """Raise UsageError for --sources where no kernel is fetched."""
    from bench.guests.sources import source_of

    wanted = [source_of(label) for label in kernels]  # each is checked
    refuse(
        context,
        not any(each.fetches for each in wanted),
        "where no kernel is an archive's",
        "sources",
    )


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

    These are not fetched; their reasons are given.
    """
    from bench.guests.sources import Options, each_or_why

    yield from ((label, str(why)) for label, why in lacking.items())
    wanted = [label for label in kernels if label not in lacking]
    for label, image in each_or_why(wanted, Options(say=say, sources_file=sources)):
        yield label, str(image) if isinstance(image, BufbenchError) else image
