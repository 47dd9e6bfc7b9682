# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that no reader of foreign data ends in a traceback, hangs, or takes unbounded memory."""

from __future__ import annotations

import base64
import os
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import pytest
from fuzz import btf_samples
from fuzz.readers import READERS, SAMPLES
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.errors import JournalError

TESTS = Path(__file__).parents[1]
SLOW = {"report": 8, "journal": 60, "histogram": 60}
MOST_CPU_S = 10.0
TRICKS = [b"", b"\n", b"\0", b"9" * 5_000, b"[" * 2_000, b"\xff", b"\xed\xa0\x80", b" " * 99]


@st.composite
def inputs(draw: st.DrawFn, seeds: tuple[bytes, ...]) -> bytes:
    """Return a seed of which some pieces were taken out, doubled, or became something else."""
    data = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(0, 4))):
        begin = draw(st.integers(0, len(data)))
        end = draw(st.integers(begin, min(len(data), begin + 40)))
        piece = draw(st.one_of(st.sampled_from(TRICKS), st.binary(max_size=20)))
        data = data[:begin] + draw(st.sampled_from([piece, data[begin:end] * 3])) + data[end:]
    return data


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
def test_what_is_nearly_right_is_read_or_refused_in_a_line(name: str) -> None:
    reader = READERS[name]

    @settings(max_examples=SLOW.get(name, 100))
    @given(st.one_of(inputs(tuple(reader.seeds())), st.binary(max_size=300)))
    def tried(data: bytes) -> None:
        before_s = time.process_time()
        reader.try_on(data)
        assert time.process_time() - before_s < MOST_CPU_S

    tried()


@pytest.mark.parametrize(
    "sample", sorted(SAMPLES.glob("*/*")), ids=lambda path: f"{path.parent.name}/{path.name}"
)
def test_a_former_fault_is_survived(sample: Path) -> None:
    READERS[sample.parent.name].try_on(sample.read_bytes())


MEASURE = """
import os, re, resource, sys, time
from pathlib import Path
def most_kib():
    return int(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1])

sys.path.insert(0, sys.argv[1])
from fuzz.readers import READERS
def measure(reader, length):
    seeds = reader.seeds()
    for seed in seeds:
        reader.try_on(seed)
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    base = most_kib()
    for piece in (b"\\n".join(seeds), b"\\n", b"[", b"9", b"field: a["):
        before_s = time.process_time()
        reader.try_on((piece * (length // len(piece) + 1))[:length])
        assert time.process_time() - before_s < 60, piece[:20]
    return most_kib() - base

for word in sys.argv[2:]:
    name, length = word.split("=")
    if (child := os.fork()) == 0:  # what is imported serves all, and memory is its own
        resource.setrlimit(resource.RLIMIT_CPU, (300, 300))
        print(name, measure(READERS[name], int(length)))
        sys.exit()
    os.waitpid(child, 0)
"""
LARGE = 10_000_000
MEASURED = [name for name in READERS if name != "report"]
SHORTER = {"proc": LARGE // 10}  # no file of /proc is longer


@pytest.fixture(scope="module")
def large() -> subprocess.CompletedProcess[str]:
    """Return what each reader took beyond that for its seeds: its name and KiB."""
    wanted = (f"{name}={SHORTER.get(name, LARGE)}" for name in MEASURED)
    return subprocess.run(
        [sys.executable, "-c", MEASURE, TESTS, *wanted],
        capture_output=True,
        text=True,
        check=False,
        timeout=1_800,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", MEASURED)
def test_ten_megabytes_take_bounded_memory_and_time(
    name: str, large: subprocess.CompletedProcess[str]
) -> None:
    took_kib = dict(line.split() for line in large.stdout.splitlines())
    assert name in took_kib, large.stderr[-1_000:]
    assert int(took_kib[name]) < 200 * 1024


def test_types_that_hold_themselves_end() -> None:
    # Each of 65,535 members would lead into the same structure again, eight times over.
    READERS["btf"].try_on(btf_samples.circles(1_000))


def test_a_histogram_cannot_unfold_to_gigabytes() -> None:
    header = bytes.fromhex("1c849313 00000000 00000000 00000003") + struct.pack(
        ">2qd", 1, 10**12, 1
    )
    for inside in (bytes(1 << 28), header + bytes(1 << 20), bytes(100)):
        packed = zlib.compress(inside, 9)
        whole = struct.pack(">2i", 0x1C849314, len(packed)) + packed
        with pytest.raises(JournalError, match="cannot be decoded"):
            READERS["histogram"].read(base64.b64encode(whole))
