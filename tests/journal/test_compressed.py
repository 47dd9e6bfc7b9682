# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test compressed journals: read like plain ones, and no bomb goes off."""

from __future__ import annotations

import gzip
import resource
import sys
import zlib
from pathlib import Path

import pytest
from made_up_trials import header, trial

from bench.host import process
from bench.journal.reader import read_journal, read_journals
from bench.journal.schema import LONGEST_LINE_BYTES
from bench.journal.writer import encode

TRIALS = [trial(arm, block) for block in range(50) for arm in ("ringbuf@8KiB", "perfbuf@8KiB")]
PLAIN = encode(header()) + b"".join(encode(each) for each in TRIALS)
MiB = 1024 * 1024


def written(folder: Path, content: bytes, name: str = "run.jsonl.gz") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", ["run.jsonl.gz", "run.jsonl"])
def test_read_like_a_plain_one_whatever_its_name(tmp_path: Path, name: str) -> None:
    content = read_journal(written(tmp_path, gzip.compress(PLAIN), name), strict=True)
    assert content.trials == tuple(TRIALS)


def test_two_members_of_one_file_are_both_read(tmp_path: Path) -> None:
    first, second = (encode(header(name)) + encode(TRIALS[0]) for name in "ab")
    path = written(tmp_path, gzip.compress(first) + gzip.compress(second))
    assert len(read_journal(path, strict=True).runs) == 2


def test_plain_and_compressed_of_one_run_count_once(tmp_path: Path) -> None:
    both = [
        written(tmp_path, PLAIN, "plain.jsonl"),
        written(tmp_path, gzip.compress(PLAIN)),
    ]
    assert read_journals(both).trials == tuple(TRIALS)


@pytest.mark.parametrize("kept", [0.7, 0.9, 0.999])
def test_a_torn_file_keeps_what_came_before(tmp_path: Path, kept: float) -> None:
    whole = gzip.compress(PLAIN)
    content = read_journal(written(tmp_path, whole[: int(kept * len(whole))]))
    (fault,) = content.faults
    assert "the compressed file ends here" in fault.reason
    whole = len(content.trials)
    assert content.trials == tuple(TRIALS[:whole])
    assert fault.line == whole + 2
    assert whole > 0


def test_a_damaged_file_is_named_with_its_line(tmp_path: Path) -> None:
    whole = bytearray(gzip.compress(PLAIN, compresslevel=1))
    whole[len(whole) // 2 : len(whole) // 2 + 40] = b"\xff" * 40
    content = read_journal(written(tmp_path, bytes(whole)))
    assert content.faults
    assert any("damaged" in fault.reason for fault in content.faults)


@pytest.mark.parametrize(
    ("inside", "said"),
    [
        (b"", "empty"),
        (b"PID COMM\n", "not a line of a journal"),
        (b'{"schema":999,"kind":"machine"}\n', "newer version"),
        (b'{"schema":1,"kind":"mach', "the file ends within it"),
    ],
)
def test_what_is_wrong_inside_is_reported_as_of_a_plain_one(
    tmp_path: Path, inside: bytes, said: str
) -> None:
    (fault,) = read_journal(written(tmp_path, gzip.compress(inside))).faults
    assert said in fault.reason
    plain = read_journal(written(tmp_path, inside, "plain.jsonl")).faults[0]
    assert (fault.line, fault.reason) == (plain.line, plain.reason)


def test_what_merely_begins_like_gzip_is_reported(tmp_path: Path) -> None:
    (fault,) = read_journal(written(tmp_path, b"\x1f\x8bnonsense and more")).faults
    assert "damaged" in fault.reason


def bomb(line: bytes, times: int) -> bytes:
    """Compress ``line`` so often, without ever holding all of it."""
    packer = zlib.compressobj(level=9, wbits=31)
    head = packer.compress(encode(header()))
    return head + b"".join(packer.compress(line) for _ in range(times)) + packer.flush()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "times"),
    [
        (b"\0" * MiB, 200),
        (b'{"schema":1,"kind":"trial","x":"' + b"y" * (LONGEST_LINE_BYTES - 50) + b'"}\n', 50),
        (encode(TRIALS[0]) * 100, 500),
    ],
    ids=["no-line-at-all", "longest-lines", "trials"],
)
def test_a_bomb_does_not_go_off(tmp_path: Path, line: bytes, times: int) -> None:
    path = written(tmp_path, bomb(line, times))
    assert path.stat().st_size < 10 * MiB
    script = (
        "import re, sys\n"
        "from pathlib import Path\n"
        "from bench.journal.reader import read\n"
        "from bench.journal.schema import Fault\n"
        "held = list(read(Path(sys.argv[1])))\n"
        "print([str(each) for each in held if isinstance(each, Fault)][-1])\n"
        "print(re.search(r'VmHWM:\\s*(\\d+)', Path('/proc/self/status').read_text())[1])"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = process.run([sys.executable, "-c", script, str(path)], timeout_s=120)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    said, most_kib = done.stdout.splitlines()
    assert "given up" in said
    assert int(most_kib) < 200 * 1024
    assert after.ru_utime - before.ru_utime < 20
