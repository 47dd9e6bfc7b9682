# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Images for what was asked for, fetched where they are not here yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.guests import request
from bench.guests.image import Image
from bench.guests.local import host, local

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from bench.guests.library import Library
    from bench.guests.store import Fetched


def provide(
    requests: Sequence[str],
    *,
    say: Callable[[str], None],
    sources_file: Path | None = None,
    update: bool = False,
) -> list[Image]:
    """Return an image for each request ("6.12", "./bzImage", "host" ...), in their order.

    All are looked up before any is fetched. ``say`` hears of slow steps. UsageError for what
    does not exist, FetchFailed where disk or network do not allow it.
    """
    wanted = [request.parse(text) for text in requests]
    images = {
        one.label: local(one) if isinstance(one, request.Local) else host(one)
        for one in wanted
        if isinstance(one, request.Local | request.Host)
    }
    in_archives = [one for one in wanted if isinstance(one, request.Series | request.Exact)]
    if in_archives:
        from bench.guests.library import opened

        images |= from_library(in_archives, opened(sources_file, say), update=update)
    return [images[one.label] for one in wanted]


def check(
    requests: Sequence[str], *, say: Callable[[str], None], sources_file: Path | None = None
) -> None:
    """Raise UsageError for what does not exist, FetchFailed without lists; fetch nothing."""
    wanted = [request.parse(text) for text in requests]
    for one in wanted:
        if isinstance(one, request.Local):
            local(one)
    in_archives = [one for one in wanted if isinstance(one, request.Series | request.Exact)]
    if in_archives:
        from bench.guests.catalogue import find
        from bench.guests.library import opened

        known = opened(sources_file, say).known(update=False)
        for one in in_archives:
            find(one, known)


def from_library(
    wanted: Sequence[request.Series | request.Exact], library: Library, *, update: bool
) -> dict[str, Image]:
    """Return images of kernels that archives have, by what was asked for."""
    from bench.guests.catalogue import find

    known = library.known(update=update)
    chosen = {one.label: find(one, known) for one in wanted}
    return {label: image(label, library.fetch(kernel)) for label, kernel in chosen.items()}


def image(label: str, fetched: Fetched) -> Image:
    """Return a fetched kernel as an image that can be booted."""
    return Image(
        label=label,
        release=fetched.kernel.release,
        vmlinuz=fetched.vmlinuz,
        modules=fetched.modules,
        origin=fetched.kernel.origin,
    )
