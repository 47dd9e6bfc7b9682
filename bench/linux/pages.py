# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Define the size of a page, in which buffers are mapped and budgets are counted."""

from __future__ import annotations

import os
from typing import Final

from bench.amounts import size
from bench.errors import MachineUnfit

PAGE_BYTES: Final = 4_096


def require(size_bytes: int | None = None) -> None:
    """Raise MachineUnfit unless pages (of this machine, by default) have ``PAGE_BYTES``."""
    size_bytes = size_bytes or os.sysconf("SC_PAGE_SIZE")
    if size_bytes != PAGE_BYTES:
        raise MachineUnfit(
            f"pages are of {size(size_bytes)}, not of {size(PAGE_BYTES)}",
            remedy="boot a kernel with pages of 4 KiB",
        )
