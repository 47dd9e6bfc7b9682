# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""List all kernels: those that archives offer, by lists of today, and those fetched."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from bench.errors import FetchFailed
from bench.guests import apt, archives, store
from bench.guests.architecture import own
from bench.guests.archives import Archive
from bench.guests.catalogue import Kernel, Package, kernels, newest, order
from bench.guests.store import Fetched, Store
from bench.guests.unpack import unpack

_DAY_S: Final = 86_400
_LISTS_BYTES: Final = 300_000_000
"""Lists and APT's cache of them take 160 MB with Debian's suites."""

_UNPACKED: Final = 3
"""Times a package's size that its kernel takes, where modules lie compressed in it."""

_ROOT: Final = "apt-"
"""Begins the names of private APT roots; each one's lock has its name."""

_MB: Final = 1_000_000

Download = Callable[[tuple[Package, ...], Path], tuple[Path, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Offer:
    """Hold what the archives had when their lists were fetched."""

    updated_s: float  # since the epoch
    packages: tuple[Package, ...]
    troubles: tuple[str, ...]  # suites without a fresh list, and why


_OFFER: Final = TypeAdapter(_Offer)


class Library:
    """Combine archives and store: one architecture's kernels.

    ``say`` is called with slow steps and failures.
    """

    def __init__(
        self,
        kept: Store[Kernel],
        chosen: Sequence[Archive],
        say: Callable[[str], None],
        architecture: str,
    ) -> None:
        self.store = kept
        self._architecture = architecture
        self._say = say
        self._without_keys = tuple(
            f"{archive.name} {' '.join(archive.suites)}: {reason}"
            for archive in chosen
            if (reason := archive.without_keys())
        )
        self._usable = [archive for archive in chosen if not archive.without_keys()]
        digest = hashlib.sha256(apt.sources_list(self._usable, architecture).encode()).hexdigest()
        self._name = f"{_ROOT}{digest[:12]}"
        self._file = kept.folder / self._name / "offer.json"
        self._root = apt.Root(kept.folder / self._name, self._usable, architecture)
        kept.sweep()

    def known(self, *, update: bool = False, troubles: bool = False) -> tuple[Kernel, ...]:
        """Return all kernels that are offered or fetched, oldest first.

        Lists that are a day old are fetched anew, all with ``update``; where that fails, old ones
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
            offer = self._offer(asked_s, update=update)
            offered = kernels(offer.packages)
            if troubles or offer.updated_s >= asked_s:
                for trouble in (*self._without_keys, *offer.troubles):
                    self._say(f"no fresh list of {trouble}")
        except FetchFailed as failed:
            if not fetched:
                raise
            self._say(f"{failed.message}; only what was fetched before can be used")
        by_key = {kernel.key: kernel for kernel in (*fetched, *offered)}
        return tuple(sorted(by_key.values(), key=order))

    def fetch(self, kernel: Kernel) -> Fetched[Kernel]:
        """Return the kernel from the store, fetched if need be."""
        return fetch(self.store, kernel, self._download, self._say)

    def _download(self, packages: tuple[Package, ...], into: Path) -> tuple[Path, ...]:
        # Not while the lists are being changed.
        with self.store.locked(self._name, lambda: self._say("another download runs; waiting")):
            self._root.make()  # the host's proxy may be another by now
            return self._root.download(packages, into)

    def _offer(self, asked_s: float, *, update: bool) -> _Offer:
        offer = self._read()
        if offer and not update and 0 <= asked_s - offer.updated_s < _DAY_S:
            return offer
        with self.store.locked(self._name, lambda: self._say("lists are being fetched; waiting")):
            offer = self._read()
            if offer and asked_s <= offer.updated_s <= time.time():
                return offer  # of the process that held the lock
            if not self._usable:
                raise FetchFailed(
                    f"no archive can be used: {self._without_keys[0]}", remedy="see docs/kernels.md"
                )
            with self.store.room(0 if offer else _LISTS_BYTES, "the archives' lists"):
                self._say("fetching the archives' lists")
                return self._update(offer)

    def _update(self, old: _Offer | None) -> _Offer:
        self._root.make()
        try:
            troubles = self._root.update()
        except FetchFailed as failed:
            if old is None:
                raise
            self._say(f"{failed.message}; those of {time.ctime(old.updated_s)} are used")
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


def opened(
    sources_file: Path | None, say: Callable[[str], None], architecture: str = ""
) -> Library:
    """Open the user's library, of this machine's architecture unless another is given.

    UsageError for a bad kernels.toml, MachineUnfit without a place.
    """
    chosen = archives.read(sources_file or archives.find_file(), apt.host_mirrors())
    return Library(_store(), chosen, say, architecture or own())


def fetch(
    kept: Store[Kernel], kernel: Kernel, download: Download, say: Callable[[str], None]
) -> Fetched[Kernel]:
    """Return a kernel from a store; download its packages and unpack them if it is not there."""
    size_bytes = sum(package.size_bytes for package in kernel.packages)
    installed_bytes = sum(package.installed_bytes for package in kernel.packages)

    def fill(folder: Path) -> Kernel:
        say(f"fetching {kernel.release}, {size_bytes / _MB:.0f} MB, from {kernel.origin}")
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


def prune(*, every: bool) -> Iterator[str]:
    """Remove kernels that a newer one of the series replaces, or ``every`` one and all lists.

    Yields a line for each thing removed, as it goes.
    """
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


def _store() -> Store[Kernel]:
    return Store(store.folder(), Kernel)
