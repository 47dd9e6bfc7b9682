# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Read lines as the tools print them: what they show, and what they say was lost."""

from __future__ import annotations

import pytest

from bench.errors import UsageError
from bench.questions.check.lines import (
    PRESETS,
    Reading,
    Shown,
    lines,
    lost_in,
    own,
    parser,
    preset,
    preset_of,
)


def shown(reading: Reading, line: str) -> Shown | None:
    return parser(reading)(7, line)


def test_lines_are_put_together_and_dated_by_their_end() -> None:
    chunks = [(1, b"one\r\ntw"), (2, b"o\nthree\nfo"), (3, b"ur")]
    assert list(lines(chunks)) == [(1, "one"), (2, "two"), (2, "three")]


@pytest.mark.parametrize(
    ("name", "line", "expected"),
    [
        ("exitsnoop", "sh               8800    8799    8800    0.00    code 3", (8800, 8799, 768)),
        ("exitsnoop", "a b 1            8806    8805    8806    0.01    signal 9 (KILL)",
         (8806, 8805, 9)),
        ("exitsnoop", "12:01:02.123 x   8801    8800    8801    12.30   0", (8801, 8800, 0)),
        ("exitsnoop", "PCOMM            PID     PPID    TID     AGE(s)  EXIT_CODE", None),
        ("execsnoop", "ls               21      20        0 /usr/bin/ls --color", (21, 20, None)),
        ("execsnoop", "PCOMM            PID     PPID   RET ARGS", None),
        ("bpftrace", "8964 readlink", (8964, None, None)),
        ("bpftrace", "exit: 77", (77, None, None)),
        ("bpftrace", "Attaching 1 probe...", (1, None, None)),  # of no process that was made
        ("tetragon", '{"process_exit":{"process":{"pid":52},"parent":{"pid":51},"status":4}}',
         (52, 51, 1024)),
        ("tetragon", '{"process_exit":{"process":{"pid":53},"signal":"SIGKILL"}}', (53, None, 9)),
        ("tetragon", '{"process_exit":{"process":{"pid":54}}}', (54, None, 0)),
        ("tetragon", '{"process_exec":{"process":{"pid":52}}}', None),
        ("tetragon", "level=info msg=started", None),
        ("tracee",
         '{"eventName":"sched_process_exit","hostProcessId":9,"hostParentProcessId":8}',
         (9, 8, None)),
        ("tracee", '{"eventName":"openat","hostProcessId":9,"hostParentProcessId":8}', None),
        ("tracee",
         '{"name":"sched_process_exit","workload":{"process":{"host_pid":9,"ancestors":[{"host_pid":8}]}}}',
         (9, 8, None)),
        ("tracee", '{"name":"sched_process_exit","workload":{"process":{"host_pid":9}}}',
         (9, None, None)),
        ("tracee", '{"name":"openat","workload":{"process":{"host_pid":9}}}', None),
    ],
)  # fmt: skip
def test_what_a_line_shows(
    name: str, line: str, expected: tuple[int, int | None, int | None] | None
) -> None:
    found = shown(preset(name), line)
    assert found == (None if expected is None else Shown(7, *expected))


@pytest.mark.parametrize(
    ("line", "count"),
    [
        ("Possibly lost 12 samples", 12),  # bcc
        ("Lost 345 events", 345),  # bpftrace
        ("lost 6 events on CPU #1!", 6),  # libbpf-tools
        ("Attached", 0),
    ],
)
def test_what_is_said_to_be_lost(line: str, count: int) -> None:
    assert {lost_in(preset, line) for preset in PRESETS} == {count}


def test_a_program_s_name_chooses_how_its_lines_are_read() -> None:
    assert preset_of("/usr/sbin/exitsnoop-bpfcc") == preset("exitsnoop")
    assert preset_of("mytracer") is None


def test_the_user_s_own_pattern_and_key() -> None:
    by_group = own(pattern=r"pid=(\d+)", key=None, lost=None, execs=False, base=None)
    assert shown(by_group, "x pid=12") == Shown(7, 12)
    named = r"(?P<parent>\d+)>(?P<pid>\d+) (?P<code>\d+)"
    by_name = own(pattern=named, key=None, lost=None, execs=False, base=None)
    assert shown(by_name, "3>4 5") == Shown(7, 4, 3, 5 << 8)
    by_key = own(pattern=None, key=".a.b", lost=r"gone=(\d+)", execs=True, base=None)
    assert shown(by_key, '{"a": {"b": 5}}') == Shown(7, 5)
    assert shown(by_key, '{"a": []}') is None
    assert lost_in(by_key, "gone=3") == 3
    assert by_key.execs


@pytest.mark.parametrize(
    "line",
    ['{"pid": 1e999}', '{"pid": NaN}', '{"pid": [1]}', '{"pid": "x"}', '{"pid": ' + "[" * 100_000],
    ids=["infinite", "nan", "list", "text", "deep"],
)
def test_json_that_holds_no_pid_shows_nothing(line: str) -> None:
    by_key = own(pattern=None, key=".pid", lost=None, execs=False, base=None)
    assert shown(by_key, line) is None


def test_a_negative_number_of_losses_is_none() -> None:
    reading = own(pattern=r"(\d+)", key=None, lost=r"lost (-?\d+)", execs=False, base=None)
    assert (lost_in(reading, "lost -5"), lost_in(reading, "lost 5")) == (0, 5)


@pytest.mark.parametrize(
    ("pattern", "key", "lost", "complaint"),
    [
        ("(", None, None, "not a regular expression"),
        ("a", None, None, "no group"),
        ("(a){99999999999}", None, None, "not a regular expression"),
        (None, "a", None, "not a path"),
        (r"(\d+)", ".a", None, "contradicts"),
        (None, None, None, "does not know"),
        (r"(\d+)", None, "lost", "--lost-pattern has no group"),
    ],
)
def test_what_cannot_work_is_refused(
    pattern: str | None, key: str | None, lost: str | None, complaint: str
) -> None:
    with pytest.raises(UsageError, match=complaint):
        own(pattern=pattern, key=key, lost=lost, execs=False, base=None)
