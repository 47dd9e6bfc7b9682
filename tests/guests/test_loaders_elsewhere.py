# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that bcc and the prebuilt objects, which guests load, agree on other kernels."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Final

import pytest
from real_kernels import provided

from bench.guests.boot import CONSOLE, EXIT, Guest, booted
from bench.guests.watch import End, Ended
from bench.tracer import loader

pytestmark = [
    pytest.mark.guests,
    pytest.mark.slow,
    pytest.mark.skipif(not loader.objects(), reason="bufbench was built without clang"),
]

GUEST: Final = Guest(cpus=2, memory_mib=2048, time_limit_s=1_200.0, kvm=False)
TESTS: Final = Path(__file__).parents[1] / "tracer/test_loaders.py"
SIDES: Final = (
    *("ringbuf", "ringbuf:output", "ringbuf:payload=512"),
    *("perfbuf", "perfbuf:payload=512"),
)
"""Objects of plain records and of any, on either transport, by both calls."""


@pytest.mark.parametrize("kernel", ["5.10", "6.1", "6.12", "6.12-rt", "6.18", "7.3"])
def test_ledgers_and_records_agree_there(kernel: str, tmp_path: Path) -> None:
    wanted = [f"{TESTS}::test_ledgers_and_records_agree[{side}]" for side in SIDES]
    inside = [sys.executable, "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", *wanted]
    with booted(provided(kernel), GUEST, tmp_path, inside) as watch:
        assert watch.stdout is not None
        ended = Ended.parse(watch.stdout.read())
    said = (tmp_path / CONSOLE).read_text(errors="replace")
    assert ended.end is End.POWERED_OFF, said[-2_000:]
    assert json.loads((tmp_path / EXIT).read_text()) == {"code": 0}, said[-8_000:]
    assert f"{len(SIDES)} passed" in said
