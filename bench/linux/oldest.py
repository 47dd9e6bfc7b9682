# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Kernel versions as values that can be compared."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Final, Self

_RELEASE: Final = re.compile(r"([0-9]{1,6})\.([0-9]{1,6})(?:\.([0-9]{1,6}))?")


@dataclass(frozen=True, slots=True, order=True)
class KernelVersion:
    """Version numbers alone: what a distribution backported shows in BTF, never here."""

    major: int
    minor: int
    patch: int = 0

    @classmethod
    def from_release(cls, release: str) -> Self:
        """Read a release string such as ``6.1.0-18-cloud-amd64``; ValueError if it is none."""
        found = _RELEASE.match(release)
        if not found:
            raise ValueError(f"not a kernel release: {release!r}")
        major, minor, patch = found.groups(default="0")
        return cls(int(major), int(minor), int(patch))

    @classmethod
    def running(cls) -> Self:
        """The version of the kernel underneath."""
        return cls.from_release(os.uname().release)

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"
