# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Share what tests of the command line need: commands that stop where they would begin."""

from __future__ import annotations

import beginnings
import pytest


@pytest.fixture
def nothing_runs(monkeypatch: pytest.MonkeyPatch) -> str:
    """End commands where they would begin, with the text that is returned."""
    beginnings.stop(monkeypatch)
    return beginnings.REACHED
