# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What somebody may ask for: a series, a flavour of it, one exact kernel, files, the host."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.errors import UsageError

HOST: Final = "host"

_SERIES: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9}){1,2})(?:-([a-z][a-z0-9-]{0,31}))?")
_EXACT: Final = re.compile(r"[0-9a-z][A-Za-z0-9.+~-]{0,127}")
_USUAL: Final = frozenset(("amd64", "arm64", "generic"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """The newest kernel whose version begins with these numbers."""

    label: str
    numbers: tuple[int, ...]
    """(6, 12), or (6, 12, 90) for one stable release."""
    flavour: str
    """"rt", "cloud"; "" for the usual one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exact:
    """A release ("6.12.94+deb13-rt-amd64"), a package's name, or its version ("6.12.94-1")."""

    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Local:
    """An image that lies here, and perhaps its modules."""

    label: str
    vmlinuz: Path
    modules: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """The kernel that this machine runs."""

    label: str = HOST


Request = Series | Exact | Local | Host


def parse(text: str) -> Request:
    """Parse what is asked for. Touches no file; UsageError for what cannot be meant."""
    if text == HOST:
        return Host()
    if "/" in text or ":" in text:
        return _local(text)
    if series := _SERIES.fullmatch(text):
        words = [word for word in (series[2] or "").split("-") if word not in _USUAL]
        return Series(
            label=text,
            numbers=tuple(int(number) for number in series[1].split(".")),
            flavour="-".join(words),
        )
    if (text[:1].isdigit() or text.startswith("linux-")) and _EXACT.fullmatch(text):
        return Exact(label=text)
    if not text or text.startswith("-") or not text.isprintable():
        raise _meaningless(text)
    return _local(text)


def _local(text: str) -> Local:
    """Parse VMLINUZ or VMLINUZ:MODULES-FOLDER."""
    image, _, folder = text.partition(":")
    if not image or ":" in folder or not text.isprintable():
        raise _meaningless(text)
    return Local(label=text, vmlinuz=Path(image), modules=Path(folder) if folder else None)


def _meaningless(text: str) -> UsageError:
    return UsageError(
        f"{text[:80]!r} names no kernel",
        remedy="say 6.12, 6.12-rt, a release, a package, ./bzImage, VMLINUZ:MODULES or host",
    )
