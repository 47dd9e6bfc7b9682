# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Share what tests of the command line need: commands that stop where they would begin."""

from __future__ import annotations

from collections.abc import Iterator

import beginnings
import pytest

from bench.tracer import loader


@pytest.fixture(scope="module", autouse=True)
def prebuilt() -> Iterator[None]:
    """Load prebuilt tracers where there are any: compiling them takes half of a short run."""
    with pytest.MonkeyPatch.context() as patch:
        if loader.objects():
            patch.setenv(loader.VARIABLE, loader.Loader.PREBUILT)
        yield


@pytest.fixture
def nothing_runs(monkeypatch: pytest.MonkeyPatch) -> str:
    """End commands where they would begin, with the text that is returned."""
    beginnings.stop(monkeypatch)
    return beginnings.REACHED
