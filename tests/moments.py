# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Choose how often faults are injected, and when: random moments from a recorded seed."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

SOON_S: Final = 2.0
"""The promise: so long after a kill nothing is left, so long after a signal it is gone."""


@dataclass(frozen=True, slots=True)
class Faults:
    """Choose how often a fault is injected, and when."""

    _asked: int
    _seed: int
    note: Callable[[str, object], None]  # into the JUnit file

    def times(self, some: int, *, of: int) -> int:
        """Return as many as asked for with --faults, over ``of`` tests alike; else ``some``."""
        return -(-self._asked // of) or some

    @property
    def quiet(self) -> bool:
        """Return whether the machine is quiet, as it has to be for ./run faults."""
        return self._asked > 0

    @property
    def soon_s(self) -> float:
        """Return SOON_S on a quiet machine; elsewhere only that it ends is checked."""
        return SOON_S if self.quiet else math.inf

    def moments(self, *what: object) -> random.Random:
        """Return random moments of this kind; they follow from the seed."""
        return random.Random(f"{self._seed} {what}")
