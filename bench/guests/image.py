# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""A kernel that lies ready to be booted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A kernel's image and modules as files of this machine."""

    label: str
    """As it was asked for: "6.12", "6.12-rt", "host", "./bzImage"."""
    release: str
    """What uname -r says in it; "" where that is unknown before it has booted."""
    vmlinuz: Path
    modules: Path | None
    """The folder .../lib/modules/RELEASE, decompressed, with depmod's files; None: no modules."""
    origin: str
    """For people: "Debian trixie-backports, linux-image-... 6.12.73-1", "local file", "host"."""
