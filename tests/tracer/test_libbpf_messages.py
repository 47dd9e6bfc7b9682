# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Take libbpf's messages by a function that C calls: ctypes drops what is raised in it."""

from __future__ import annotations

from contextlib import suppress

import pytest
from interrupting import interrupted_at

from bench.errors import BufbenchError
from bench.tracer import libbpf
from bench.tracer.object import loaded


@pytest.mark.slow
def test_ctrl_c_in_a_message_is_not_lost() -> None:
    said: list[str] = []

    def run() -> None:
        with libbpf.loaded() as library, suppress(BufbenchError):
            try:
                with loaded.opened(library, bytes(64), "empty"):
                    pass
            finally:
                said.extend(library.warnings)

    points = interrupted_at(0, run)
    assert said
    for place in range(1, points):
        with pytest.raises(KeyboardInterrupt):
            interrupted_at(place, run)
