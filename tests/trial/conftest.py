# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Share a rig between the tests of a module, since loading costs most of a trial's time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench.trial.rig import Rig


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with Rig() as opened:
        yield opened
