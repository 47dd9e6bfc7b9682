# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Real kernels of an archive, for tests that boot one."""

from __future__ import annotations

import shutil

import pytest

from bench.errors import BufbenchError
from bench.guests import machines
from bench.guests.sources import Image, Options, provide


def provided(label: str) -> Image:
    """Fetch a kernel, unless it is there; skip the test where there is none, or no QEMU."""
    if shutil.which(machines.usual().program) is None:
        pytest.skip("no QEMU")
    try:
        (image,) = provide([label], Options(say=lambda _: None))
    except BufbenchError as error:
        pytest.skip(f"no kernel can be had: {error}")
    return image
