# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Give kernels of distributions' archives, fetched into the store of the user."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from bench.errors import FetchFailed, UsageError
from bench.guests import catalogue
from bench.guests.architecture import named, own
from bench.guests.sources import Candidate, Image, Listed, Options, Source, stretch

if TYPE_CHECKING:
    from bench.guests.catalogue import Kernel
    from bench.guests.library import Library
    from bench.guests.store import Fetched


def _find(labels: Sequence[str], options: Options) -> list[Callable[[], Image]]:
    found: dict[str, Callable[[], Image]] = {}
    for architecture in dict.fromkeys(map(_architecture, labels)):
        alike = [label for label in labels if _architecture(label) == architecture]
        found |= zip(alike, _offered(alike, options, architecture), strict=True)
    return [found[label] for label in labels]


def _architecture(label: str) -> str:
    return named(label) or own()


def _offered(
    labels: Sequence[str], options: Options, architecture: str
) -> list[Callable[[], Image]]:
    from bench.guests.library import opened

    try:
        library = opened(options.sources_file, options.say, architecture)
        known = library.known(update=options.update)
    except FetchFailed as failed:
        return [partial(_fail, failed) for _ in labels]
    return [partial(_fetch, label, catalogue.find(label, known), library) for label in labels]


def _between(good: str, bad: str, options: Options) -> list[Candidate]:
    from bench.guests.library import opened

    architecture = _architecture(good)
    if _architecture(bad) != architecture:
        raise UsageError(f"{good} and {bad} are of two architectures", remedy="name two of one")
    library = opened(options.sources_file, options.say, architecture)
    known = library.known(update=options.update)
    ends = catalogue.find(good, known), catalogue.find(bad, known)
    flavour = ends[0].flavour
    if ends[1].flavour != flavour:
        raise UsageError(f"{good} and {bad} are of two flavours", remedy="name two of one flavour")
    beside = [kernel for kernel in known if kernel.flavour == flavour]
    times = Counter(kernel.release for kernel in beside)
    labels = [
        kernel.release if times[kernel.release] == 1 else f"{kernel.release} {kernel.version}"
        for kernel in beside
    ]
    candidates = [
        Candidate(label=label, fetch=partial(_fetch, label, kernel, library))
        for label, kernel in zip(labels, beside, strict=True)
    ]
    return stretch(candidates, *map(beside.index, ends))


def _offers(label: str, options: Options) -> list[Listed]:
    """List all kernels, or those of a label's flavour."""
    from bench.guests.library import opened

    library = opened(options.sources_file, options.say)
    known = library.known(update=options.update, troubles=True)
    if label:
        flavour = catalogue.find(label, known).flavour
        known = tuple(kernel for kernel in known if kernel.flavour == flavour)
    fetched = {one.kernel.key: one for one in library.store.fetched()}
    chosen = known if options.every else catalogue.newest(known)
    return [_row(kernel, fetched.get(kernel.key)) for kernel in chosen]


def _row(kernel: Kernel, here: Fetched[Kernel] | None) -> Listed:
    return Listed(
        label=kernel.release,
        series=kernel.upstream.series,
        flavour=kernel.flavour,
        release=kernel.release,
        version=kernel.version,
        archive=kernel.archive,
        suite=kernel.suite,
        modules=kernel.has_modules,
        packages=tuple(package.name for package in kernel.packages),
        download_bytes=sum(package.size_bytes for package in kernel.packages),
        fetched=here is not None,
        vmlinuz=here.vmlinuz if here else None,
    )


def _prune(every: bool) -> Iterator[str]:
    from bench.guests.library import prune

    return prune(every=every)


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
    forms="6.12, 6.12-rt, 6.12-arm64, a release, a package",
    takes=catalogue.names_kernel,
    find=_find,
    between=_between,
    offers=_offers,
    prune=_prune,
    fetches=True,
)
