# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Kernels of the archives, for tests that boot one."""

from __future__ import annotations

import pytest

from bench.errors import BufbenchError
from bench.guests.machines import machine_named
from bench.guests.sources import Image, Options, provide


def provided(label: str) -> Image:
    """Return a kernel, fetched if need be; skip where it or its QEMU cannot be had."""
    try:
        machine_named(label).qemu()
        (image,) = provide([label], Options(say=lambda _: None))
    except BufbenchError as error:
        pytest.skip(f"{label} cannot be had: {error}")
    return image
