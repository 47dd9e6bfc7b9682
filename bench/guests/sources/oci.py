# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Provide kernels from OCI images, in a registry or in a layout folder."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, cast

from bench.errors import FetchFailed, UsageError
from bench.guests import store
from bench.guests.machines import own
from bench.guests.skopeo import VERSION, Repository, Unreachable, order
from bench.guests.sources import Candidate, Image, Listed, Options, Source, stored, stretch
from bench.guests.store import Fetched, Store
from bench.guests.unpack import BadImage, take_kernel

_KNOWN: Final = {
    "ci-kernels": "ghcr.io/cilium/ci-kernels",
    "lvh": "quay.io/lvh-images/kernel-images",
}
_LABEL: Final = re.compile(
    rf"(?:(?P<known>{'|'.join(_KNOWN)})"
    r"|oci:(?P<registry>(?:localhost|[\w-]+(?:\.[\w-]+)+|[\w.-]+:\d{1,5})(?::\d{1,5})?(?:/[\w.-]+)+)"
    r"|oci:(?P<folder>[^:]+))"
    r"(?::(?P<tag>[A-Za-z0-9_](?:[A-Za-z0-9_./@+:-]{0,126}[A-Za-z0-9_])?))?",
    re.ASCII,
)
_NEEDED_BYTES: Final = 1_000_000_000
"""Needed for an image at its peak: neither its size nor its contents are known beforehand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """Describe a kernel of an OCI image in the store."""

    name: str  # of the repository, as it was typed
    place: str  # the repository's address, or the folder's path
    tag: str
    digest: str
    release: str
    fetched_s: float  # since the epoch

    @property
    def key(self) -> str:
        """Return its unique name in the store, usable as a file name."""
        return key_of(self.tag, self.digest)


def key_of(tag: str, digest: str) -> str:
    """Return the name of a tag's kernel in the store."""
    return f"{re.sub('[^A-Za-z0-9.-]', '_', tag)}_{digest.partition(':')[2][:16]}"


def takes(text: str) -> bool:
    """Return whether a text names an OCI image, or a place of them."""
    return text.isprintable() and _LABEL.fullmatch(text) is not None


def parse(label: str) -> tuple[Repository, str]:
    """Return a label's repository and tag ("": none). FetchFailed for an unknown home."""
    match = cast("re.Match[str]", _LABEL.fullmatch(label))
    tag = match["tag"] or ""
    name = label.removesuffix(f":{tag}") if tag else label
    if path := match["folder"]:
        try:
            folder = Path(path).expanduser().absolute()
        except RuntimeError as error:
            raise FetchFailed(f"{path}: there is no such home") from error
        return Repository(name=name, folder=folder), tag
    address = _KNOWN[match["known"]] if match["known"] else match["registry"]
    return Repository(name=name, address=address), tag


def _find(labels: Sequence[str], options: Options) -> list[Callable[[], Image]]:
    return [partial(_fetch, label, options) for label in labels]


def _fetch(label: str, options: Options) -> Image:
    (repository, tag), kept = parse(label), _store()
    kept.sweep()
    try:
        seen = repository.inspect(tag)
    except Unreachable as failed:
        before = [
            one
            for one in _by_age(kept)
            if (one.kernel.place, one.kernel.tag) == (repository.place, tag)
        ]
        if not before:
            raise
        options.say(f"{failed.message}; the one fetched before is used")
        return _image(label, before[-1])
    if seen.architecture != own():
        raise FetchFailed(
            f"{label} is for {seen.architecture or 'no machine'}, not for {own()}",
            remedy="take another tag or image",
        )

    def fill(folder: Path) -> Pulled:
        options.say(f"fetching {label}, {seen.digest[:19]}")
        image = folder / "image"
        layers = repository.copy(tag, seen, image)
        try:
            release = take_kernel(layers, folder)
        except BadImage as bad:
            raise FetchFailed(f"{label} {bad.message}", remedy=bad.remedy) from bad
        shutil.rmtree(image)
        return Pulled(
            name=repository.name,
            place=repository.place,
            tag=tag,
            digest=seen.digest,
            release=release,
            fetched_s=time.time(),
        )

    key = key_of(tag, seen.digest)
    return _image(label, kept.fetch(key, label, _NEEDED_BYTES, fill, options.say))


def _image(label: str, fetched: Fetched[Pulled]) -> Image:
    return stored(label, fetched, f"OCI image {label}, {fetched.kernel.digest[:19]}")


def _between(good: str, bad: str, options: Options) -> list[Candidate]:
    """List the tags of a repository from one to another, without those that name no version."""
    ends = parse(good), parse(bad)
    repository = ends[0][0]
    if repository.place != ends[1][0].place:
        raise UsageError(
            f"{good} and {bad} are of two repositories", remedy="name two tags of one repository"
        )
    tags = sorted(filter(VERSION.match, _tags(repository)), key=order)
    for _, tag in ends:
        if tag not in tags:
            raise UsageError(
                f"{repository.named(tag)} has no place among the versions of {repository.name}",
                remedy=f"bufbench kernels list {repository.name} --all shows them",
            )
    labels = map(repository.named, tags)
    known = [Candidate(label=label, fetch=partial(_fetch, label, options)) for label in labels]
    return stretch(known, *(tags.index(tag) for _, tag in ends))


def _offers(label: str, options: Options) -> list[Listed]:
    """List a place's tags by version; without a label, what was fetched from anywhere."""
    fetched = {(one.kernel.place, one.kernel.tag): one for one in _by_age(_store())}
    if label:
        repository, _ = parse(label)
        tags = _tags(repository)
        rows = [_row(repository, tag, fetched.get((repository.place, tag))) for tag in tags]
    else:
        rows = [_row(Repository(name=one.kernel.name), key[1], one) for key, one in fetched.items()]
    rows.sort(key=lambda row: (order(row.version), row.suite))
    newest = {(row.suite, row.series, row.flavour): row for row in rows}
    return rows if options.every else [*newest.values()]


def _tags(repository: Repository) -> list[str]:
    """Return a repository's tags, except those that cannot be typed."""
    return [tag for tag in repository.tags() if takes(repository.named(tag))]


def _row(repository: Repository, tag: str, fetched: Fetched[Pulled] | None) -> Listed:
    match = VERSION.match(tag)
    return Listed(
        label=repository.named(tag),
        series=".".join(match["numbers"].split(".")[:2]) if match else "",
        flavour=match["rest"].strip("-") if match else tag,
        release=fetched.kernel.release if fetched else "",
        version=tag,
        archive="OCI",
        suite=repository.name,
        modules=fetched.modules is not None if fetched else None,
        packages=(),
        download_bytes=None,
        fetched=fetched is not None,
        vmlinuz=fetched.vmlinuz if fetched else None,
    )


def _prune(every: bool) -> Iterator[str]:
    def newest(known: Iterable[Pulled]) -> Sequence[Pulled]:
        ordered = sorted(known, key=lambda one: one.fetched_s)
        return [*{(one.place, one.tag): one for one in ordered}.values()]

    return _store().prune(lambda known: () if every else newest(known))


def _by_age(kept: Store[Pulled]) -> list[Fetched[Pulled]]:
    return sorted(kept.fetched(), key=lambda one: one.kernel.fetched_s)


def _store() -> Store[Pulled]:
    return store.Store(store.folder() / "oci", Pulled)


SOURCE: Final = Source(
    forms="ci-kernels:6.12, lvh:6.12-main, oci:REPOSITORY:TAG, oci:./FOLDER:TAG",
    takes=takes,
    find=_find,
    between=_between,
    offers=_offers,
    prune=_prune,
)
