# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""From packages to kernels: what belongs together, and which of them is meant."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bench.errors import UsageError
from bench.guests.packages import Package
from bench.guests.request import Exact, Series
from bench.linux.version import KernelVersion, debian_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_IMAGE: Final = re.compile(
    r"linux-(?P<kind>binary|image(?:-unsigned)?)-(?P<release>[0-9].*?)(?P<unsigned>-unsigned)?"
)
_NO_KERNEL: Final = re.compile(r".*-(dbg|dbgsym|signed-template)")
_Build = tuple[str, str, str]
"""Name, archive and version of a package."""

_LEAST_IMAGE_BYTES: Final = 1 << 20
"""Packages that only name others, as linux-image-6.12-amd64 does, are smaller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """A kernel that an archive has: the packages to unpack, the one with the image first."""

    release: str
    version: str
    """The package's, in Debian's order."""
    archive: str
    suite: str
    has_modules: bool
    """Archives drop modules of older kernels while their images stay."""
    packages: tuple[Package, ...]

    @property
    def upstream(self) -> KernelVersion:
        """By the package's version: releases such as 6.1.0-56-amd64 do not have it."""
        return KernelVersion.parse(self.version.partition(":")[2] or self.version)

    @property
    def flavour(self) -> str:
        """ "rt", "cloud"; "" for the usual one."""
        return KernelVersion.parse(self.release).flavour

    @property
    def key(self) -> str:
        """Its name among all kernels; can name a file."""
        return f"{self.release}_{self.version}".replace(":", "%3a")

    @property
    def origin(self) -> str:
        """For people."""
        return f"{self.archive} {self.suite}, {self.packages[0].name} {self.version}"


def kernels(packages: Iterable[Package]) -> tuple[Kernel, ...]:
    """Return all kernels among packages of one architecture, oldest first.

    A kernel that several suites have is taken from the first; an image without signature only
    where there is none with.
    """
    known: dict[_Build, Package] = {}
    for package in packages:
        known.setdefault((package.name, package.archive, package.version), package)
    found: dict[str, tuple[int, Kernel]] = {}
    for image in known.values():
        match = _IMAGE.fullmatch(image.name)
        if match is None or _NO_KERNEL.fullmatch(image.name):
            continue
        if max(image.size_bytes, image.installed_bytes) < _LEAST_IMAGE_BYTES:
            continue
        rank = ["binary", "image", "image-unsigned"].index(match["kind"])
        rank += 3 * bool(match["unsigned"])
        kernel = _kernel(image, match["release"], known)
        if kernel and (kernel.key not in found or rank < found[kernel.key][0]):
            found[kernel.key] = rank, kernel
    return tuple(sorted((kernel for _, kernel in found.values()), key=order))


def order(kernel: Kernel) -> tuple[object, ...]:
    """Return a key that sorts kernels by version, then by flavour."""
    return debian_key(kernel.version), kernel.flavour, kernel.release


def _kernel(image: Package, release: str, known: Mapping[_Build, Package]) -> Kernel | None:
    def beside(kind: str) -> list[Package]:
        builds = ((f"linux-{kind}-{release}", image.archive, v) for v in _versions(image.version))
        return [known[build] for build in builds if build in known][:1]

    modules = beside("modules")
    try:
        kernel = Kernel(
            release=release,
            version=image.version,
            archive=image.archive,
            suite=image.suite,
            # Until 6.18 Debian's images brought their modules.
            has_modules=bool(modules) or not image.name.startswith("linux-binary-"),
            packages=(image, *modules, *beside("modules-extra"), *beside("base")),
        )
        _ = kernel.upstream, kernel.flavour
    except UsageError:  # no kernel can have this version
        return None
    return kernel


def _versions(version: str) -> Iterator[str]:
    """Return the versions of one build's packages. Ubuntu adds +N to that of a signed image."""
    while version:
        yield version
        version = version.rpartition("+")[0]


def newest(known: Iterable[Kernel]) -> tuple[Kernel, ...]:
    """Return the newest of each series and flavour; one with modules, where there is one."""
    best: dict[tuple[str, str], Kernel] = {}
    for kernel in sorted(known, key=_preference):
        best[kernel.upstream.series, kernel.flavour] = kernel
    return tuple(sorted(best.values(), key=order))


def _preference(kernel: Kernel) -> tuple[object, ...]:
    return kernel.has_modules, order(kernel)


def find(request: Series | Exact, known: Sequence[Kernel]) -> Kernel:
    """Return the kernel that is meant, the newest that fits. UsageError if none does."""
    if isinstance(request, Series):
        fits = [kernel for kernel in known if _in_series(kernel, request)]
    else:
        named = [kernel for kernel in known if request.label in _names(kernel)]
        # "6.12.94-1" is the version of all flavours.
        fits = [kernel for kernel in named if not kernel.flavour] or named
    # "7.3-amd64" is an exact release too, where a release candidate is called so.
    exact = [kernel for kernel in known if kernel.release == request.label]
    if exact or fits:
        return max(exact or fits, key=_preference)
    raise UsageError(f"no kernel {request.label} is to be had", remedy=_remedy(request, known))


def _in_series(kernel: Kernel, request: Series) -> bool:
    wanted = request.numbers
    return kernel.flavour == request.flavour and kernel.upstream.numbers[: len(wanted)] == wanted


def _names(kernel: Kernel) -> set[str]:
    names = {kernel.release, kernel.release.rpartition("-")[0], kernel.version}
    for package in kernel.packages:
        names |= {package.name, f"{package.name}={package.version}"}
    return names


def _remedy(request: Series | Exact, known: Sequence[Kernel]) -> str:
    flavour = request.flavour if isinstance(request, Series) else ""
    series = [
        f"{kernel.upstream.series}{f'-{flavour}' if flavour else ''}"
        for kernel in newest(known)
        if kernel.flavour == flavour
    ]
    return f"there are {', '.join(series)}" if series else "see bufbench kernels list"
