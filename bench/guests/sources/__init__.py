# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Find kernels by their sources, each a file here that defines ``SOURCE``."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import BufbenchError, FetchFailed, UsageError

if TYPE_CHECKING:
    from bench.guests.store import Fetched


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """Hold a kernel's image and modules as files of this machine."""

    label: str  # as requested: "6.12", "6.12-rt", "host", "./bzImage"
    release: str  # what uname -r says in it; "" if unknown before it has booted
    vmlinuz: Path
    modules: Path | None  # .../lib/modules/RELEASE, decompressed, with depmod's files
    origin: str  # for people: "Debian sid, linux-image-... 6.12.73-1", "local file", "host"


def stored(label: str, fetched: Fetched[Any], origin: str) -> Image:
    """Return the image of a kernel in a store."""
    return Image(
        label=label,
        release=fetched.kernel.release,
        vmlinuz=fetched.vmlinuz,
        modules=fetched.modules,
        origin=origin,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Choose how kernels are looked up and fetched."""

    say: Callable[[str], None]  # called with a line about a slow step or a failure
    sources_file: Path | None = None  # kernels.toml; None: the usual one
    update: bool = False  # fetch archives' lists again, however old
    every: bool = False  # list not only the newest of each series and flavour


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """Describe a kernel that is available."""

    label: str  # to request it by
    series: str  # "6.12"; "" where its name has no version
    flavour: str
    release: str  # "" if unknown before it is fetched
    version: str
    archive: str
    suite: str
    modules: bool | None  # None if unknown before it is fetched
    packages: tuple[str, ...]
    download_bytes: int | None
    fetched: bool
    vmlinuz: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Name an available kernel that has not been fetched yet."""

    label: str  # for people; no two candidates have the same
    fetch: Callable[[], Image]
    sha256: str = ""  # of the image; "" if unknown before it is fetched


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Describe a place that kernels come from."""

    forms: str  # the labels that it accepts, for people
    takes: Callable[[str], bool]  # whether a text names one of its kernels; touches no file
    find: Callable[[Sequence[str], Options], list[Callable[[], Image]]]
    """Look kernels up; UsageError for what does not exist. Each result is called to fetch one."""
    between: Callable[[str, str, Options], list[Candidate]] | None = None
    """List kernels from one label to another, oldest first, both included; UsageError if that is
    impossible. None: a source whose kernels have no order.
    """
    offers: Callable[[str, Options], Sequence[Listed]] = lambda _, __: ()
    """List the versions beside a label's kernel; for "", what to show when none is named."""
    prune: Callable[[bool], Iterator[str]] = lambda _: iter(())
    """Remove what newer kernels replace, or all; yield a line for each thing removed."""
    fetches: bool = False  # from archives, to which Options apply
    last: bool = False  # tried after all others


@cache
def sources() -> tuple[Source, ...]:
    """Return all sources, in the order in which they are tried."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    found: list[Source] = [import_module(f"{__name__}.{name}").SOURCE for name in names]
    return tuple(sorted(found, key=lambda source: source.last))


def source_of(text: str) -> Source:
    """Return the source of the kernel that ``text`` names; UsageError if none. Touches no file."""
    for source in sources():
        if source.takes(text):
            return source
    forms = ", ".join(source.forms for source in sources())
    raise UsageError(f"{text[:80]!r} names no kernel", remedy=f"take one of {forms}")


def find(labels: Sequence[str], options: Options) -> list[Callable[[], Image]]:
    """Look up each label ("6.12", "./bzImage", "host" ...); each result fetches its kernel.

    UsageError for what does not exist. Calling a result raises FetchFailed.
    """
    chosen = {label: source_of(label) for label in labels}
    found: dict[str, Callable[[], Image]] = {}
    for source in dict.fromkeys(chosen.values()):
        own = [label for label in chosen if chosen[label] is source]
        found |= zip(own, source.find(own, options), strict=True)
    return [found[label] for label in labels]


def between(good: str, bad: str, options: Options) -> list[Candidate]:
    """List the kernels of a source from one to another, oldest first, both included.

    UsageError where there is no such list.
    """
    source, other = source_of(good), source_of(bad)
    if source is not other or source.between is None:
        raise UsageError(
            f"no kernels are known between {good} and {bad}",
            remedy="name two kernels of one archive, or put images into a folder: --images FOLDER",
        )
    return source.between(good, bad, options)


def stretch(known: Sequence[Candidate], good: int, bad: int) -> list[Candidate]:
    """Return candidates from one index to another; UsageError unless the second is later."""
    if good == bad:
        raise UsageError(f"both ends are {known[good].label}", remedy="name two kernels")
    if good > bad:
        raise UsageError(
            f"{known[good].label} is newer than {known[bad].label}",
            remedy="name the older kernel first, as GOOD; to find what got better, test the other "
            "way round: CALL=NUMBER",
        )
    return list(known[good : bad + 1])


def offers(labels: Sequence[str], options: Options) -> list[Listed]:
    """List the kernels beside each label's by version; without labels, those of all sources.

    A source that cannot be listed is reported and skipped; FetchFailed if none can be.
    """
    asked = [(source_of(label), label) for label in labels] or [(each, "") for each in sources()]
    rows: list[Listed] = []
    failures: list[FetchFailed] = []
    for source, label in asked:
        try:
            rows += source.offers(label, options)
        except FetchFailed as failed:
            failures.append(failed)
    if failures and not rows:
        raise failures[0]
    for failure in failures:
        options.say(str(failure))
    return rows


def prune(*, every: bool) -> Iterator[str]:
    """Remove fetched kernels that newer ones replace, or all; yield a line for each thing."""
    for source in sources():
        yield from source.prune(every)


def each_or_why(
    labels: Sequence[str], options: Options
) -> Iterator[tuple[str, Image | BufbenchError]]:
    """Fetch one kernel after another; yield its label with its image, or why that failed.

    UsageError for what does not exist.
    """
    for label, fetch in zip(labels, find(labels, options), strict=True):
        try:
            yield label, fetch()
        except UsageError:
            raise
        except BufbenchError as error:
            yield label, error


def provide(labels: Sequence[str], options: Options) -> list[Image]:
    """Return an image for each label; all are looked up before any is fetched."""
    return [fetch() for fetch in find(labels, options)]
