# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Read which archives kernels are fetched from: built-in ones, and those of kernels.toml."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from bench.errors import UsageError
from bench.host import toml

FILE: Final = "kernels.toml"

_Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/+~-]{0,99}$")]
_Address = Annotated[
    str,
    Field(pattern=r"^(https?|ftp|file|mirror(\+[a-z]+)?):[!-Z\\^-~]{1,500}$"),
    AfterValidator(lambda address: address.rstrip("/")),
]


_KEYRING_PACKAGES: Final = {
    "debian-archive-keyring": "debian-archive-keyring",
    "ubuntu-archive-keyring": "ubuntu-keyring",
}


class Archive(BaseModel):
    """Describe suites of one archive, at one address and signed with one keyring."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: Annotated[str, Field(pattern=r"^[ -~]{1,40}$")]  # for people: "Debian"
    uri: _Address
    suites: Annotated[tuple[_Word, ...], Field(min_length=1, max_length=50)]
    components: Annotated[tuple[_Word, ...], Field(min_length=1, max_length=20)] = ("main",)
    keyring: Annotated[str, Field(pattern=r"^/[!-Z^-~]{1,500}$")]

    def without_keys(self) -> str:
        """Return why the archive cannot be used on this machine; "" if its keyring is here."""
        if os.access(self.keyring, os.R_OK):
            return ""
        package = _KEYRING_PACKAGES.get(Path(self.keyring).stem)
        return f"its keyring {self.keyring} is missing{f'; install {package}' if package else ''}"


def _built_in(name: str, keyring: str, suites: Mapping[str, str]) -> tuple[Archive, ...]:
    path = f"/usr/share/keyrings/{keyring}.gpg"
    return tuple(
        Archive(name=name, uri=uri, suites=tuple(words.split()), keyring=path)
        for uri, words in suites.items()
    )


BUILT_IN: Final = {
    "debian": _built_in(
        "Debian",
        "debian-archive-keyring",
        {
            "http://deb.debian.org/debian": "bookworm bookworm-backports trixie trixie-backports"
            " sid experimental",
            "http://security.debian.org/debian-security": "bullseye-security bookworm-security"
            " trixie-security",
        },
    ),
    "ubuntu": _built_in(
        "Ubuntu",
        "ubuntu-archive-keyring",
        {"http://archive.ubuntu.com/ubuntu": "jammy-updates noble noble-updates"},
    ),
}
"""By the name that kernels.toml uses. Mirrors are known by the last part of their address, which is
that of the archive."""


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")
    use: list[str] = ["debian"]
    archive: Annotated[list[Archive], Field(max_length=50)] = []


def read(path: Path | None, mirrors: Sequence[str] = ()) -> tuple[Archive, ...]:
    """Return the archives that ``path`` names; the built-in ones if it is None.

    ``mirrors``: addresses from which this machine takes its own packages. Where one of them
    carries a built-in archive, it is asked instead of the public one. UsageError, one line with
    file and key, for a file that cannot be read or makes no sense.
    """
    settings = _File() if path is None else _checked(path)
    archives: list[Archive] = []
    for index, name in enumerate(settings.use):
        if name not in BUILT_IN:
            raise UsageError(
                f"{path}: use.{index}: there is no built-in archive {name[:40]!r}",
                remedy=f"there are {', '.join(BUILT_IN)}",
            )
        archives += (_mirrored(archive, mirrors) for archive in BUILT_IN[name])
    archives += settings.archive
    if not archives:
        raise UsageError(f"{path}: no archive is left", remedy='say use = ["debian"]')
    return tuple(archives)


def find_file() -> Path | None:
    """Return kernels.toml of the working folder, else in the user's configuration; None without."""
    import platformdirs

    places = (Path(FILE), platformdirs.user_config_path("bufbench") / FILE)
    return next((place for place in places if place.is_file()), None)


def _checked(path: Path) -> _File:
    try:
        if path.stat().st_size > 1 << 16:
            raise UsageError(f"{path}: larger than 64 KiB", remedy=f"is it a {FILE}?")
        return _File.model_validate(toml.parsed(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except RecursionError as error:
        raise UsageError(f"{path}: nested too deeply", remedy=f"is it a {FILE}?") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part)[:40] for part in first["loc"])
        raise UsageError(
            f"{path}: {key}: {first['msg'][:1].lower()}{first['msg'][1:]}",
            remedy="see docs/kernels.md",
        ) from error
    except ValueError as error:  # TOML's and UTF-8's complaints
        raise UsageError(f"{path}: {' '.join(str(error).split())}") from error


def _mirrored(archive: Archive, mirrors: Sequence[str]) -> Archive:
    """Return the archive at the address from which this machine takes it, if it does."""
    folder = archive.uri.rpartition("/")[2]
    for mirror in mirrors:
        if re.fullmatch(rf"https?://\S+/{folder}/?", mirror):
            return archive.model_copy(update={"uri": mirror.rstrip("/")})
    return archive
