# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Where kernels come from: built-in archives, and what kernels.toml says instead or besides."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from bench.errors import UsageError
from bench.host import toml

if TYPE_CHECKING:
    from collections.abc import Sequence

FILE: Final = "kernels.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Suites of one archive that lie at one address and are signed with one keyring."""

    archive: str
    """For people: "Debian"."""
    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]
    keyring: Path
    keyring_package: str
    """What to install where the keyring is missing; "" if that is not known."""


_DEBIAN_KEYS: Final = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_UBUNTU_KEYS: Final = Path("/usr/share/keyrings/ubuntu-archive-keyring.gpg")

BUILT_IN: Final = {
    "debian": (
        Source(
            archive="Debian",
            uri="http://deb.debian.org/debian",
            suites=(
                "bookworm",
                "bookworm-backports",
                "trixie",
                "trixie-backports",
                "sid",
                "experimental",
            ),
            components=("main",),
            keyring=_DEBIAN_KEYS,
            keyring_package="debian-archive-keyring",
        ),
        Source(
            archive="Debian",
            uri="http://security.debian.org/debian-security",
            suites=("bullseye-security", "bookworm-security", "trixie-security"),
            components=("main",),
            keyring=_DEBIAN_KEYS,
            keyring_package="debian-archive-keyring",
        ),
    ),
    "ubuntu": (
        Source(
            archive="Ubuntu",
            uri="http://archive.ubuntu.com/ubuntu",
            suites=("jammy-updates", "noble", "noble-updates"),
            components=("main",),
            keyring=_UBUNTU_KEYS,
            keyring_package="ubuntu-keyring",
        ),
    ),
}
"""By the name that kernels.toml uses. Each archive's last part of the address is its own: a mirror
has it too, and is known by it."""

DEFAULT: Final = ("debian",)

_Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/+~-]{0,99}$")]
_Address = Annotated[
    str, StringConstraints(pattern=r"^(https?|ftp|file|mirror(\+[a-z]+)?):[!-Z\\^-~]{1,500}$")
]
_Path = Annotated[str, StringConstraints(pattern=r"^/[!-Z^-~]{1,500}$")]


class _Archive(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: Annotated[str, StringConstraints(pattern=r"^[ -~]{1,40}$")]
    uri: _Address
    suites: Annotated[list[_Word], Field(min_length=1, max_length=50)]
    components: Annotated[list[_Word], Field(min_length=1, max_length=20)] = ["main"]
    keyring: _Path


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")
    use: list[str] = list(DEFAULT)
    archive: Annotated[list[_Archive], Field(max_length=50)] = []


def read(path: Path | None, mirrors: Sequence[str] = ()) -> tuple[Source, ...]:
    """Return the sources that ``path`` names; the built-in ones if it is None.

    ``mirrors``: addresses from which this machine takes its own packages. Where one of them
    carries a built-in archive, it is asked instead of the public one. UsageError, one line with
    file and key, for a file that cannot be read or makes no sense.
    """
    settings = _File() if path is None else _checked(path)
    sources: list[Source] = []
    for index, name in enumerate(settings.use):
        if name not in BUILT_IN:
            raise UsageError(
                f"{path}: use.{index}: there is no built-in archive {name[:40]!r}",
                remedy=f"there are {', '.join(BUILT_IN)}",
            )
        sources += (_mirrored(source, mirrors) for source in BUILT_IN[name])
    for archive in settings.archive:
        sources.append(
            Source(
                archive=archive.name,
                uri=archive.uri.rstrip("/"),
                suites=tuple(archive.suites),
                components=tuple(archive.components),
                keyring=Path(archive.keyring),
                keyring_package="",
            )
        )
    if not sources:
        raise UsageError(f"{path}: no archive is left", remedy='say use = ["debian"]')
    return tuple(sources)


def find_file() -> Path | None:
    """Return kernels.toml of the working folder, else in the user's configuration; None without."""
    import platformdirs

    places = (Path(FILE), platformdirs.user_config_path("bufbench") / FILE)
    return next((place for place in places if place.is_file()), None)


def _checked(path: Path) -> _File:
    try:
        if path.stat().st_size > 1 << 16:
            raise UsageError(f"{path}: larger than 64 KiB", remedy=f"is it a {FILE}?")
        content = toml.parsed(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except RecursionError as error:
        raise UsageError(f"{path}: nested too deeply", remedy=f"is it a {FILE}?") from error
    except ValueError as error:  # TOML's and UTF-8's complaints
        raise UsageError(f"{path}: {' '.join(str(error).split())}") from error
    try:
        return _File.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part)[:40] for part in first["loc"])
        raise UsageError(
            f"{path}: {key}: {first['msg'][:1].lower()}{first['msg'][1:]}",
            remedy="see docs/kernels.md",
        ) from error


def _mirrored(source: Source, mirrors: Sequence[str]) -> Source:
    """Return the source at the address from which this machine takes it, if it does."""
    folder = source.uri.rpartition("/")[2]
    for mirror in mirrors:
        if re.fullmatch(rf"https?://\S+/{folder}/?", mirror):
            return replace(source, uri=mirror.rstrip("/"))
    return source


def without_keys(source: Source) -> str:
    """Return why the source cannot be used on this machine; "" if its keyring is here."""
    if os.access(source.keyring, os.R_OK):
        return ""
    remedy = f"; install {source.keyring_package}" if source.keyring_package else ""
    return f"its keyring {source.keyring} is missing{remedy}"
