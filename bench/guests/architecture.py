# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Name architectures as Debian does: this machine's, and the one that a kernel's name speaks of."""

from __future__ import annotations

import os
import re
from typing import Final

AMD64: Final = "amd64"
ARM64: Final = "arm64"

_NAMES: Final = {"x86_64": AMD64, "aarch64": ARM64, AMD64: AMD64, ARM64: ARM64}


def own() -> str:
    """Return this machine's architecture."""
    machine = os.uname().machine
    return _NAMES.get(machine, machine)


def named(text: str) -> str:
    """Return the architecture that a label or a file's name speaks of; "" if of none."""
    words = re.split(r"[^a-z0-9_]+", text.lower())
    return next((_NAMES[word] for word in reversed(words) if word in _NAMES), "")
