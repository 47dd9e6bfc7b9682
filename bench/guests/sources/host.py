# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Provide the running kernel."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from bench.guests.sources import Image, Source

HOST: Final = "host"


def image(root: Path = Path("/")) -> Image:
    """Return the running kernel, with its files below ``root``.

    It is measured where it runs, not booted: in many clouds its image is not on the machine, and
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
