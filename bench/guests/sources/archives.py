# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Give kernels of distributions' archives, fetched into the store of the user."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from bench.errors import FetchFailed
from bench.guests import catalogue
from bench.guests.sources import Image, Options, Source

if TYPE_CHECKING:
    from bench.guests.catalogue import Kernel
    from bench.guests.library import Library


def _find(labels: Sequence[str], options: Options) -> list[Callable[[], Image]]:
    from bench.guests.library import opened

    try:
        library = opened(options.sources_file, options.say)
        known = library.known(update=options.update)
    except FetchFailed as failed:
        return [partial(_fail, failed) for _ in labels]
    return [partial(_fetch, label, catalogue.find(label, known), library) for label in labels]


def _fetch(label: str, kernel: Kernel, library: Library) -> Image:
    fetched = library.fetch(kernel)
    return Image(
        label=label,
        release=kernel.release,
        vmlinuz=fetched.vmlinuz,
        modules=fetched.modules,
        origin=kernel.origin,
    )


def _fail(failed: FetchFailed) -> Image:
    raise failed


SOURCE: Final = Source(
    forms="6.12, 6.12-rt, a release, a package",
    takes=catalogue.names_kernel,
    find=_find,
    fetches=True,
)
