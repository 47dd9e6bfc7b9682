# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Provide kernels from distributions' archives, by current lists, kept in the user's store."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from bench.amounts import size
from bench.errors import FetchFailed, UsageError
from bench.guests import apt, catalogue, store
from bench.guests.catalogue import Kernel, Package, kernels, newest, order
from bench.guests.machines import named, own
from bench.guests.sources import Candidate, Image, Listed, Options, Source, stored, stretch
from bench.guests.store import Fetched, Store
from bench.guests.unpack import unpack

_DAY_S: Final = 86_400
_LISTS_BYTES: Final = 300_000_000
"""Lists and APT's cache of them take 160 MB with Debian's suites."""

_UNPACKED: Final = 3
"""A kernel's size over its package's, if the modules in that are compressed."""

_ROOT: Final = "apt-"
"""Prefix of the names of private APT roots; each one's lock has the same name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Offer:
    """Hold the content of the archives when their lists were fetched."""

    updated_s: float  # since the epoch
    packages: tuple[Package, ...]
    troubles: tuple[str, ...]  # suites without a fresh list, and why


_OFFER: Final = TypeAdapter(_Offer)


class Library:
    """Combine the user's archives and store: one architecture's kernels.

    UsageError for a bad kernels.toml, FetchFailed if the store cannot be made.
    """

    def __init__(self, options: Options, architecture: str) -> None:
        self.store = _store()
        chosen = apt.read(options.sources_file or apt.find_file(), apt.host_mirrors())
        self.say = options.say
        self._update = options.update
        self._architecture = architecture
        self._without_keys = tuple(
            f"{archive.name} {' '.join(archive.suites)}: {reason}"
            for archive in chosen
            if (reason := archive.without_keys())
        )
        self._usable = [archive for archive in chosen if not archive.without_keys()]
        digest = hashlib.sha256(apt.sources_list(self._usable, architecture).encode()).hexdigest()
        self._name = f"{_ROOT}{digest[:12]}"
        self._file = self.store.folder / self._name / "offer.json"
        self._root = apt.Root(self._file.parent, self._usable, architecture)
        self.store.sweep()

    def known(self, *, troubles: bool = False) -> tuple[Kernel, ...]:
        """Return all kernels that are offered or fetched, oldest first.

        Lists that are a day old are fetched again, all with --update; where that fails, old ones
        serve. Suites without a fresh list are reported then, or with ``troubles``. Without a
        network, what was fetched remains; FetchFailed if that is nothing.
        """
        fetched = [
            one.kernel
            for one in self.store.fetched()
            if one.kernel.architecture == self._architecture
        ]
        offered: Iterable[Kernel] = ()
        asked_s = time.time()
        try:
            offer = self._offer(asked_s)
            offered = kernels(offer.packages)
            if troubles or offer.updated_s >= asked_s:
                for trouble in (*self._without_keys, *offer.troubles):
                    self.say(f"no fresh list of {trouble}")
        except FetchFailed as failed:
            if not fetched:
                raise
            self.say(f"{failed.message}; only what was fetched before can be used")
        by_key = {kernel.key: kernel for kernel in (*fetched, *offered)}
        return tuple(sorted(by_key.values(), key=order))

    def download(self, packages: tuple[Package, ...], into: Path) -> tuple[Path, ...]:
        """Fetch packages, but not while the lists are being changed."""
        with self.store.locked(self._name, lambda: self.say("another download runs; waiting")):
            self._root.make()  # the host's proxy may have changed
            return self._root.download(packages, into)

    def _offer(self, asked_s: float) -> _Offer:
        offer = self._read()
        if offer and not self._update and 0 <= asked_s - offer.updated_s < _DAY_S:
            return offer
        with self.store.locked(self._name, lambda: self.say("lists are being fetched; waiting")):
            offer = self._read()
            if offer and asked_s <= offer.updated_s <= time.time():
                return offer  # of the process that held the lock
            if not self._usable:
                raise FetchFailed(
                    f"no archive can be used: {self._without_keys[0]}", remedy="see docs/kernels.md"
                )
            with self.store.room(0 if offer else _LISTS_BYTES, "the archives' lists"):
                self.say("fetching the archives' lists")
                return self._updated(offer)

    def _updated(self, old: _Offer | None) -> _Offer:
        self._root.make()
        try:
            troubles = self._root.update()
        except FetchFailed as failed:
            if old is None:
                raise
            self.say(f"{failed.message}; those of {time.ctime(old.updated_s)} are used")
            return old
        packages = tuple(self._root.packages())
        offer = _Offer(updated_s=time.time(), packages=packages, troubles=troubles)
        part = self._file.with_suffix(".part")
        part.write_bytes(_OFFER.dump_json(offer))
        part.rename(self._file)
        return offer

    def _read(self) -> _Offer | None:
        with suppress(OSError, ValidationError):
            return _OFFER.validate_json(self._file.read_bytes())
        return None


def fetch(
    kept: Store[Kernel],
    kernel: Kernel,
    download: Callable[[tuple[Package, ...], Path], tuple[Path, ...]],
    say: Callable[[str], None],
) -> Fetched[Kernel]:
    """Return a kernel from a store; download its packages and unpack them if it is not there."""
    size_bytes = sum(package.size_bytes for package in kernel.packages)
    installed_bytes = sum(package.installed_bytes for package in kernel.packages)

    def fill(folder: Path) -> Kernel:
        say(f"fetching {kernel.release}, {size(size_bytes)}, from {kernel.origin}")
        if not kernel.has_modules:
            say(f"{kernel.release}: its modules have left the archive; few such kernels boot")
        packages = folder / "packages"
        packages.mkdir()
        unpack(download(kernel.packages, packages), kernel.release, folder)
        shutil.rmtree(packages)
        return kernel

    # At its peak: packages, their files, modules decompressed.
    needed_bytes = size_bytes + max(installed_bytes, _UNPACKED * size_bytes)
    return kept.fetch(kernel.key, kernel.release, needed_bytes, fill, say)


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
    try:
        library = Library(options, architecture)
        known = library.known()
    except FetchFailed as failed:
        return [partial(_fail, failed) for _ in labels]
    return [partial(_fetch, label, catalogue.find(label, known), library) for label in labels]


def _between(good: str, bad: str, options: Options) -> list[Candidate]:
    architecture = _architecture(good)
    if _architecture(bad) != architecture:
        raise UsageError(f"{good} and {bad} are of two architectures", remedy="name two of one")
    library = Library(options, architecture)
    known = library.known()
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
    library = Library(options, own())
    known = library.known(troubles=True)
    if label:
        flavour = catalogue.find(label, known).flavour
        known = tuple(kernel for kernel in known if kernel.flavour == flavour)
    fetched = {one.kernel.key: one for one in library.store.fetched()}
    chosen = known if options.every else newest(known)
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
    kept = _store()
    yield from kept.prune(lambda known: () if every else newest(known))
    removed = 0
    for root in kept.folder.glob(f"{_ROOT}*") if every else ():
        with kept.locked(root.name) as free:
            if free:
                shutil.rmtree(root, ignore_errors=True)
                removed += 1
    if removed:
        yield "removed the archives' lists"


def _fetch(label: str, kernel: Kernel, library: Library) -> Image:
    fetched = fetch(library.store, kernel, library.download, library.say)
    return stored(label, fetched, kernel.origin)


def _fail(failed: FetchFailed) -> Image:
    raise failed


def _store() -> Store[Kernel]:
    return Store(store.folder(), Kernel)


SOURCE: Final = Source(
    forms="6.12, 6.12-rt, 6.12-arm64, a release, a package",
    takes=catalogue.names_kernel,
    find=_find,
    between=_between,
    offers=_offers,
    prune=_prune,
    fetches=True,
)
