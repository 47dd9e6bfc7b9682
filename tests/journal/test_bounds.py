# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test lines that are JSON but do not belong in a journal: each is named with its reason."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest
from made_up_trials import header, trial

from bench.journal import bounds, reader
from bench.journal.schema import LONGEST_LINE_BYTES
from bench.journal.writer import encode
from bench.trial.result import TrialResult

TRIAL = encode(trial("ringbuf@8KiB", 0))


def read(old: bytes, new: bytes) -> TrialResult | str:
    """Return the trial with one part replaced, or why it cannot be used."""
    assert old in TRIAL
    value = reader.decode(TRIAL.replace(old, new, 1))
    return value if isinstance(value, TrialResult) else value.reason


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (b'"block":0', b'"block":9223372036854775808', "less than or equal to 9223372036854775807"),
        (b'"block":0', b'"block":' + b"9" * 1_000_000, "torn or damaged"),
        (b'"block":0', b'"block":0,"x":' + b"9" * 1_000_000, "torn or damaged"),
        (b'"block":0', b'"block":"0"', "valid integer"),
        (b'"block":0', b'"block":0.0', "valid integer"),
        (b'"block":0', b'"block":true', "valid integer"),
        (b'"load_1m":1.0', b'"load_1m":NaN', "finite"),
        (b'"load_1m":1.0', b'"load_1m":-Infinity', "finite"),
        (b'"load_1m":1.0', b'"load_1m":1e999', "finite"),
        (b'"load_1m":1.0', b'"load_1m":1e40', "less than"),
        (b'"load_1m":1.0', b'"load_1m":1e-40', "nearer to 0"),
        (b'"load_1m":1.0', b'"load_1m":"inf"', "valid number"),
        (b'"experiment":"storm"', b'"experiment":"\\ud800"', "torn or damaged"),
        (b'"experiment":"storm"', b'"experiment":"\xed\xa0\x80"', "torn or damaged"),
        (
            b'"block":0',
            b'"x":' + b"[" * 100_000 + b"]" * 100_000 + b',"block":0',
            "torn or damaged",
        ),
        (b'"block":0', b'"x":' + b'{"a":' * 100_000, "torn or damaged"),
        (b'"exit_statuses":{', b'"exit_statuses":{"' + b"9" * 40 + b'":1,', "less than"),
        (
            b'"exit_statuses":{',
            b'"exit_statuses":{' + b"".join(b'"%d":1,' % i for i in range(1_001)),
            "at most 1000 items",
        ),
        (b'"block":0', b'"block":0,"x":[' + b"0," * 30_000 + b"0]", "more than 25,000 values"),
    ],
)
def test_what_no_journal_holds_is_refused_with_its_reason(old: bytes, new: bytes, why: str) -> None:
    found = read(old, new)
    assert isinstance(found, str)
    assert why in found
    assert len(found) < 300


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"block":0', b'"block":6,"block":0'),  # of a key that stands twice the last counts
        (b'"load_1m":1.0', b'"load_1m":1'),
        (b'"load_1m":1.0', b'"load_1m":1.' + b"0" * 100_000),
        (b'"block":0', b'"x":' + b"[" * 50 + b"]" * 50 + b',"block":0'),
        (b'"block":0', b'"block":0,"\\ud83d\\ude00":"\\u0000"'),
    ],
)
def test_what_is_odd_but_means_the_same_is_read(old: bytes, new: bytes) -> None:
    assert read(old, new) == trial("ringbuf@8KiB", 0)


def test_the_largest_numbers_come_through() -> None:
    found = read(b'"block":0', b'"block":%d' % bounds.LARGEST)
    assert isinstance(found, TrialResult)
    assert found.block == bounds.LARGEST


@pytest.mark.parametrize("kind", [b"[[[[" * 200, b"{}", b"null", b"7", b'"' + b"x" * 9_999 + b'"'])
def test_a_kind_that_is_unknown_is_shown_in_short(kind: bytes) -> None:
    value = reader.decode(b'{"kind":' + kind + b"]" * (kind.count(b"[")) + b',"schema":1}')
    assert isinstance(value, reader.Unusable)
    assert len(value.reason) < 80


def test_a_schema_beyond_all_measure_is_a_newer_one() -> None:
    value = reader.decode(b'{"schema":' + b"9" * 4_000 + b"}")
    assert isinstance(value, reader.Unusable)
    assert "newer version" in value.reason
    assert len(value.reason) < 120


MEASURE = """
import re, sys
from pathlib import Path
def most_kib():  # not ru_maxrss: that begins with what the parent held
    return int(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1])

from bench.journal import reader
reader._validator("trial")
base = most_kib()
for line in reader.read(Path(sys.argv[1])):
    pass
print(most_kib() - base)
"""
WORST = {
    "wrong items": (b'"kernel_complaints":[', b'"kernel_complaints":[' + b"1," * 20_000 + b"1"),
    "wrong keys": (
        b'"exit_statuses":{',
        b'"exit_statuses":{' + b"".join(b'"k%d":1,' % i for i in range(20_000)),
    ),
    "unknown maps": (b'"block":0', b'"block":0,"x":[' + b"{}," * 20_000 + b"{}]"),
    "crowded": (b'"block":0', b'"block":0,"x":[' + b"{}," * 400_000 + b"{}]"),
    "long text": (b'"experiment":"', b'"experiment":"' + b"\\u00e9" * 600_000),
    "too long": (b'"block":0', b'"block":0,"x":"' + b"x" * (2 * LONGEST_LINE_BYTES) + b'"'),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", WORST)
def test_ten_megabytes_of_the_worst_take_bounded_memory_and_time(tmp_path: Path, name: str) -> None:
    line = TRIAL.replace(*WORST[name], 1)
    path = tmp_path / "worst.jsonl"
    path.write_bytes(encode(header()) + line * max(1, 10_000_000 // len(line)))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    grown_kib = int(subprocess.check_output([sys.executable, "-c", MEASURE, str(path)]))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert grown_kib < 200 * 1024
    assert after.ru_utime - before.ru_utime < 60


@pytest.mark.slow
def test_memory_does_not_grow_with_the_journal(tmp_path: Path) -> None:
    grown = []
    for megabytes in (5, 50):
        path = tmp_path / f"{megabytes}.jsonl"
        with path.open("wb") as file:
            file.write(encode(header()))
            for _ in range(megabytes * 1_000_000 // len(TRIAL)):
                file.write(TRIAL)
        grown.append(int(subprocess.check_output([sys.executable, "-c", MEASURE, str(path)])))
        path.unlink()
    assert grown[1] < grown[0] + 4 * 1024
