# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Find kernels in archives' lists: which packages form one, and which one "6.12-rt" means."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import Field

from bench.errors import UsageError
from bench.guests.machines import ARM64, named
from bench.linux.version import KernelVersion

_SERIES: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9}){1,2})(?:-([a-z][a-z0-9-]{0,31}))?")
_EXACT: Final = re.compile(r"(?:[0-9]|linux-)[A-Za-z0-9.+~-]{0,127}")
_USUAL: Final = frozenset(("amd64", "arm64", "generic"))

_STANZA: Final = re.compile(r"\nPackage: linux-(?:image|binary|modules|base)-.*(?:\n.+)*")
_LONGEST_STANZA: Final = 1 << 20
_NAME: Final = re.compile(r"linux-(?:image|binary|modules|base)-[a-z0-9][a-z0-9+.-]{0,99}")
_VERSION: Final = re.compile(r"[0-9][A-Za-z0-9.+:~-]{0,99}")
_BYTES: Final = re.compile(r"[0-9]{1,12}")

_IMAGE: Final = re.compile(
    r"linux-(?P<kind>binary|image(?:-unsigned)?)-(?P<release>[0-9].*?)(?P<unsigned>-unsigned)?"
)
_NO_KERNEL: Final = re.compile(r".*-(dbg|dbgsym|signed-template)")
_LEAST_IMAGE_BYTES: Final = 1 << 20
"""Metapackages, such as linux-image-6.12-amd64, are smaller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """Describe one package of a kernel, as an archive's list does."""

    name: str
    version: str
    architecture: str
    size_bytes: int  # to download
    installed_bytes: int  # unpacked; 0 if the list does not say
    archive: str  # for people: "Debian"
    suite: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """Describe a kernel of an archive: packages to unpack, the one with the image first."""

    release: str
    version: str  # the package's, in Debian's order
    archive: str
    suite: str
    has_modules: bool  # archives drop modules of older kernels while their images stay
    packages: Annotated[tuple[Package, ...], Field(min_length=1)]

    @property
    def upstream(self) -> KernelVersion:
        """Return the package's version: releases such as 6.1.0-56-amd64 do not have it."""
        return KernelVersion.parse(self.version.partition(":")[2] or self.version)

    @property
    def flavour(self) -> str:
        """Return "rt", "cloud" ...; "" for the usual one."""
        return KernelVersion.parse(self.release).flavour

    @property
    def architecture(self) -> str:
        """Return its architecture, as Debian calls it."""
        return self.packages[0].architecture

    @property
    def key(self) -> str:
        """Return its unique name among all kernels, usable as a file name."""
        # Ubuntu's releases do not name their architecture.
        foreign = "_arm64" if self.architecture == ARM64 != named(self.release) else ""
        return f"{self.release}_{self.version}{foreign}".replace(":", "%3a")

    @property
    def origin(self) -> str:
        """Return where it comes from, for people."""
        return f"{self.archive} {self.suite}, {self.packages[0].name} {self.version}"


def parse(text: str, *, archive: str, suite: str) -> Iterator[Package]:
    """Yield the kernels' packages of an archive's list ("Packages").

    Lists are up to 60 MB long, and python-debian parses 6 MB a second, so it gets only the stanzas
    of kernels. Packages without a valid name, version and size are
    skipped.
    """
    from debian.deb822 import Deb822

    for found in _STANZA.finditer(f"\n{text}"):
        if len(found[0]) > _LONGEST_STANZA:
            continue
        fields = Deb822(found[0].strip())
        name, version, size = (fields.get(key, "") for key in ("Package", "Version", "Size"))
        if _NAME.fullmatch(name) and _VERSION.fullmatch(version) and _BYTES.fullmatch(size):
            installed = fields.get("Installed-Size", "")
            yield Package(
                name=name,
                version=version,
                architecture=fields.get("Architecture", ""),
                size_bytes=int(size),
                installed_bytes=1024 * int(installed) if _BYTES.fullmatch(installed) else 0,
                archive=archive,
                suite=suite,
            )


def kernels(packages: Iterable[Package]) -> tuple[Kernel, ...]:
    """Return all kernels among packages of one architecture, oldest first.

    A kernel that several suites have is taken from the first; an unsigned image only if there is no
    signed one.
    """
    known: dict[tuple[str, str, str], Package] = {}
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
    """Return a key that sorts kernels by version, then by flavour; ValueError if it has none."""
    from debian.debian_support import Version

    return Version(kernel.version), kernel.flavour, kernel.release


def _kernel(
    image: Package, release: str, known: Mapping[tuple[str, str, str], Package]
) -> Kernel | None:
    """Assemble a kernel; None if no kernel can have this version."""
    versions = [image.version]  # of one build: Ubuntu adds +N to that of a signed image
    while "+" in versions[-1]:
        versions.append(versions[-1].rpartition("+")[0])

    def beside(kind: str) -> list[Package]:
        builds = ((f"linux-{kind}-{release}", image.archive, version) for version in versions)
        return [known[build] for build in builds if build in known][:1]

    modules = beside("modules")
    kernel = Kernel(
        release=release,
        version=image.version,
        archive=image.archive,
        suite=image.suite,
        # Until 6.18, Debian's image packages contained the modules.
        has_modules=bool(modules) or not image.name.startswith("linux-binary-"),
        packages=(image, *modules, *beside("modules-extra"), *beside("base")),
    )
    try:
        _ = kernel.upstream, order(kernel)
    except (UsageError, ValueError):
        return None
    return kernel


def newest(known: Iterable[Kernel]) -> tuple[Kernel, ...]:
    """Return the newest of each series and flavour, preferring those with modules.

    Architectures are kept apart.
    """
    best = {
        (kernel.upstream.series, kernel.flavour, kernel.architecture): kernel
        for kernel in sorted(known, key=_preference)
    }
    return tuple(sorted(best.values(), key=order))


def _preference(kernel: Kernel) -> tuple[object, ...]:
    return kernel.has_modules, order(kernel)


def names_kernel(text: str) -> bool:
    """Return whether a text has the form of a series, a release, a package or its version."""
    return bool(_SERIES.fullmatch(text) or _EXACT.fullmatch(text))


def find(text: str, known: Sequence[Kernel]) -> Kernel:
    """Return the newest kernel that ``text`` fits. UsageError if none does.

    A series ("6.12", "6.12-rt", "6.12.90"), a release ("6.12.94+deb13-rt-amd64"), a package's name,
    or its version ("6.12.94-1"). An architecture in it is that of all known kernels.
    """
    flavour = ""
    if series := _SERIES.fullmatch(text):
        flavour = "-".join(word for word in (series[2] or "").split("-") if word not in _USUAL)
        wanted = tuple(int(number) for number in series[1].split("."))
        fits = [
            kernel
            for kernel in known
            if kernel.flavour == flavour and kernel.upstream.numbers[: len(wanted)] == wanted
        ]
    else:
        so_called = [kernel for kernel in known if text in _names(kernel)]
        # "6.12.94-1" is the version of all flavours.
        fits = [kernel for kernel in so_called if not kernel.flavour] or so_called
    # "7.3-amd64" may also be an exact release, that of a release candidate; "7.3-arm64" is the
    # series, which has to be called that on machines of either architecture.
    if named(text) != ARM64 or not fits:
        fits = [kernel for kernel in known if kernel.release == text] or fits
    if fits:
        return max(fits, key=_preference)
    architecture = named(text)
    others = [
        "-".join(filter(None, (kernel.upstream.series, flavour, architecture)))
        for kernel in newest(known)
        if kernel.flavour == flavour
    ]
    raise UsageError(
        f"no kernel {text} is available",
        remedy=f"there are {', '.join(others)}" if others else "see bufbench kernels list",
    )


def _names(kernel: Kernel) -> set[str]:
    names = {kernel.release, kernel.release.rpartition("-")[0], kernel.version}
    for package in kernel.packages:
        names |= {package.name, f"{package.name}={package.version}"}
    return names
