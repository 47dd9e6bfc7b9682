# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Parse versions of kernels, and order them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import total_ordering
from typing import Final

from bench.errors import UsageError

_NUMBER: Final = r"[0-9]{1,18}"
_RELEASE: Final = re.compile(
    rf"(?P<numbers>{_NUMBER}(?:\.{_NUMBER}){{1,7}})"
    rf"(?:[-~]rc(?P<rc>{_NUMBER}))?"
    r"(?P<abi>[+~][^-]*|-[0-9][^-]*)?"
    r"(?:-(?P<flavour>.*))?",
    re.DOTALL,
)
_NUMBERS: Final = re.compile(r"([0-9]{1,6})\.([0-9]{1,6})(?:\.([0-9]{1,6}))?")
_RANKS: Final = str.maketrans("~+-.", "\0{|}")
_MACHINES: Final = frozenset(("amd64", "arm64", "x86_64", "aarch64", "generic"))
_LONGEST: Final = 256


def numbers(release: str) -> tuple[int, int, int]:
    """Return the three numbers that a running kernel's release begins with; ValueError if none.

    They do not show what a distribution has backported: BTF does.
    """
    found = _NUMBERS.match(release)
    if not found:
        raise ValueError(f"not a kernel release: {release!r}")
    major, minor, patch = found.groups(default="0")
    return int(major), int(minor), int(patch)


@total_ordering
@dataclass(frozen=True, slots=True, kw_only=True)
class KernelVersion:
    """Hold a version as uname -r prints it; 5.10 < 6.9 < 6.12-rc3 < 6.12 < 6.12.3 < 7.3."""

    numbers: tuple[int, ...]
    """At least three; 6.12 is (6, 12, 0)."""
    rc: int | None
    """Of a release candidate, which comes before the release."""
    abi: str
    """A distribution's suffix: "-46", "+deb13", "-1~bpo13+1"."""
    flavour: str
    """"rt", "cloud"; "" for the usual one. Names of machines are left out."""

    @classmethod
    def parse(cls, release: str) -> KernelVersion:
        """Read a release ("6.12.117+deb13-rt-amd64") or a package's version ("6.12.117-1").

        UsageError if it does not begin with two numbers.
        """
        match = _RELEASE.fullmatch(release) if len(release) <= _LONGEST else None
        if match is None:
            raise UsageError(
                f"{release[:_LONGEST]!r} is not a kernel version", remedy="write it like 6.12.3"
            )
        numbers = tuple(int(number) for number in match["numbers"].split("."))
        words = (match["flavour"] or "").split("-")
        return cls(
            numbers=numbers + (0,) * (3 - len(numbers)),
            rc=int(match["rc"]) if match["rc"] else None,
            abi=match["abi"] or "",
            flavour="-".join(word for word in words if word not in _MACHINES),
        )

    @property
    def series(self) -> str:
        """Return the series: "6.12"."""
        return f"{self.numbers[0]}.{self.numbers[1]}"

    def __lt__(self, other: KernelVersion) -> bool:
        return self._key() < other._key()

    def _key(self) -> tuple[object, ...]:
        return (
            self.numbers,
            self.rc is None,
            self.rc or 0,
            _in_order(self.abi),
            self.abi,  # 01 and 1 are the same number, but not the same version
            self.flavour,
        )


def _in_order(text: str) -> str:
    """Return a key of one part: numbers by value, ~ before the end, letters before the rest."""
    padded = re.sub(r"[0-9]+", lambda number: number[0].zfill(_LONGEST), text)
    return padded.translate(_RANKS) + "\1"
