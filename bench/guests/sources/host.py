# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Give the kernel that runs here."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from bench.guests.sources import Image, Source

HOST: Final = "host"


def image(root: Path = Path("/")) -> Image:
    """Return the kernel that runs here, by ``root``'s files.

    It is measured where it runs, not booted: many a cloud's kernel lies nowhere in the machine, and
    then ``vmlinuz`` does not exist.
    """
    release = os.uname().release
    modules = root / "lib/modules" / release
    places = (modules / "vmlinuz", root / "boot" / f"vmlinuz-{release}")
    return Image(
        label=HOST,
        release=release,
        vmlinuz=next((place for place in places if place.exists()), places[-1]),
        modules=modules if (modules / "modules.dep").exists() else None,
        origin="host",
    )


SOURCE: Final = Source(
    forms=HOST, takes=lambda text: text == HOST, find=lambda labels, _: [image for _ in labels]
)
