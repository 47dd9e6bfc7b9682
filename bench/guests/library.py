# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Which kernels there are: those that archives offer, by lists of today, and those fetched."""

from __future__ import annotations

import hashlib
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import TypeAdapter, ValidationError

from bench.errors import FetchFailed
from bench.guests import apt, sources, store
from bench.guests.apt import Trouble
from bench.guests.catalogue import Kernel, kernels, order
from bench.guests.fetch import fetch, need_room
from bench.guests.packages import Package, parse
from bench.guests.store import Fetched, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_DAY_S: Final = 86_400
_LISTS_BYTES: Final = 300_000_000
"""Lists and APT's cache of them take 160 MB with Debian's suites."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What the archives had when their lists were fetched."""

    updated_s: float
    """Since the epoch."""
    packages: tuple[Package, ...]
    troubles: tuple[Trouble, ...]


_OFFER: Final = TypeAdapter(Offer)


class Library:
    """Archives and store together. ``say`` is called with slow steps and failures."""

    def __init__(
        self,
        kept: Store,
        chosen: Sequence[sources.Source],
        arch: str,
        say: Callable[[str], None],
    ) -> None:
        self.store = kept
        self._say = say
        self._arch = arch
        self._without_keys = tuple(
            Trouble(archive=source.archive, suite=" ".join(source.suites), reason=reason)
            for source in chosen
            if (reason := sources.without_keys(source))
        )
        usable = [source for source in chosen if not sources.without_keys(source)]
        text = apt.sources_list(usable, arch)
        self._name = f"{store.ROOT}{hashlib.sha256(text.encode()).hexdigest()[:12]}"
        self._root = apt.Root(kept.folder / self._name, usable, arch)
        self._usable = bool(usable)
        self._told: set[Trouble] = set()
        kept.sweep()

    def offer(self, *, update: bool = False) -> Offer:
        """Return what the archives have; fetch lists anew that are a day old, or with ``update``.

        Where that fails, old lists serve. FetchFailed if there are none.
        """
        offer = self._read()
        if offer is None or update or not 0 <= time.time() - offer.updated_s < _DAY_S:
            asked_s = time.time()
            with self.store.locked(
                self._name, lambda: self._say("lists are being fetched; waiting")
            ):
                offer = self._read()
                if offer is None or not asked_s <= offer.updated_s <= time.time():
                    offer = self._update(offer)
        return offer

    def tell_troubles(self) -> None:
        """Say once which suites had no fresh list when the lists were fetched, and why."""
        offer = self._read()
        for trouble in (*self._without_keys, *(offer.troubles if offer else ())):
            if trouble not in self._told:
                self._told.add(trouble)
                self._say(f"no fresh list of {trouble}")

    def known(self, *, update: bool = False) -> tuple[Kernel, ...]:
        """Return all kernels that are offered or fetched, oldest first.

        Without a network, what was fetched remains; FetchFailed if that is nothing.
        """
        fetched = [one.kernel for one in self.store.fetched()]
        try:
            offered = kernels(self.offer(update=update).packages)
        except FetchFailed as failed:
            if not fetched:
                raise
            self._say(f"{failed.message}; only what was fetched before can be used")
            offered = ()
        by_key = {kernel.key: kernel for kernel in (*fetched, *offered)}
        return tuple(sorted(by_key.values(), key=order))

    def fetch(self, kernel: Kernel) -> Fetched:
        """Return the kernel from the store, fetched if need be."""
        return fetch(kernel, self.store, self._download, self._say)

    def _download(self, packages: tuple[Package, ...], into: Path) -> tuple[Path, ...]:
        # Not while somebody changes the lists.
        with self.store.locked(self._name, lambda: self._say("another download runs; waiting")):
            self._root.make()  # the host's proxy may be another by now
            return self._root.download(packages, into)

    def _update(self, old: Offer | None) -> Offer:
        if not self._usable:
            raise FetchFailed(
                f"no archive can be used: {self._without_keys[0].reason}",
                remedy="see docs/kernels.md",
            )
        need_room(self.store.folder, 0 if old else _LISTS_BYTES, "the archives' lists")
        self._say("fetching the archives' lists")
        with self.store.written("the archives' lists"):
            self._root.make()
            try:
                troubles = self._root.update()
            except FetchFailed as failed:
                if old is None:
                    raise
                self._say(f"{failed.message}; those of {time.ctime(old.updated_s)} are used")
                return old
            offer = Offer(updated_s=time.time(), packages=self._listed(), troubles=troubles)
            part = self._file.with_suffix(".part")
            part.write_bytes(_OFFER.dump_json(offer))
            part.rename(self._file)
        self.tell_troubles()
        return offer

    def _listed(self) -> tuple[Package, ...]:
        return tuple(
            package
            for listed in self._root.lists()
            for package in parse(
                self._root.content(listed), archive=listed.archive, suite=listed.suite
            )
            if package.architecture == self._arch
        )

    @property
    def _file(self) -> Path:
        return self.store.folder / self._name / "offer.json"

    def _read(self) -> Offer | None:
        with suppress(OSError, ValidationError):
            return _OFFER.validate_json(self._file.read_bytes())
        return None


def opened(sources_file: Path | None, say: Callable[[str], None]) -> Library:
    """Open the user's library. UsageError for a bad kernels.toml, MachineUnfit without a place."""
    file = sources_file or sources.find_file()
    return Library(
        store.opened(),
        sources.read(file, apt.host_mirrors()),
        apt.architecture(),
        say,
    )
