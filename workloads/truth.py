# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Keep the generator's record of each reaped child: the truth, without a tracer."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from bench.linux import refusal

CHILD: Final = np.dtype(
    [
        ("reaped_ns", "u8"),  # CLOCK_MONOTONIC, after waitpid(2) returned
        ("pid", "u4"),
        ("parent", "u4"),
        ("status", "u4"),  # as waitpid(2) gives it
        ("reserved", "u4"),
    ]
)
"""A struct truth of forkstorm.h."""

Children = npt.NDArray[Any]
"""Array of CHILD."""


@dataclass(frozen=True, slots=True)
class Truth:
    """Hold an anonymous file with room for a number of children."""

    fd: int
    kill_every: int = 0  # every n-th child kills itself; 0: none does

    def arguments(self) -> list[str]:
        """Return forkstorm's options."""
        words = ["--truth-fd", str(self.fd)]
        return [*words, "--kill-every", str(self.kill_every)] if self.kill_every else words

    def children(self) -> Children:
        """Return the children that were reaped, in that order."""
        size = os.fstat(self.fd).st_size
        found = np.frombuffer(os.pread(self.fd, size, 0), dtype=CHILD)
        return np.sort(found[found["reaped_ns"] > 0], order="reaped_ns")


@contextmanager
def kept(children: int, *, kill_every: int = 0) -> Iterator[Truth]:
    """Make room for the truth of ``children``; MachineUnfit if there is no memory for it."""
    try:
        fd = os.memfd_create("truth", os.MFD_CLOEXEC)
    except OSError as error:
        raise refusal.refused("the truth of a storm gets no file", error) from error
    try:
        os.truncate(fd, max(1, children) * CHILD.itemsize)
        yield Truth(fd, kill_every)
    finally:
        os.close(fd)
