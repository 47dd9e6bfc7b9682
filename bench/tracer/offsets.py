# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The offsets that bpf/common/exit.h asks for, as macros of the compiler."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from bench.tracer.btf import Btf

_PATHS: Final[Mapping[str, tuple[str, ...]]] = {
    "OFFSET_TASK_SIGNAL": ("task_struct", "signal"),
    "OFFSET_TASK_GROUP_LEADER": ("task_struct", "group_leader"),
    "OFFSET_TASK_REAL_PARENT": ("task_struct", "real_parent"),
    "OFFSET_TASK_CHILDREN": ("task_struct", "children"),
    "OFFSET_TASK_START_TIME": ("task_struct", "start_time"),
    "OFFSET_TASK_TGID": ("task_struct", "tgid"),
    "OFFSET_TASK_COMM": ("task_struct", "comm"),
    "OFFSET_TASK_EXIT_CODE": ("task_struct", "exit_code"),
    "OFFSET_SIGNAL_LIVE": ("signal_struct", "live"),
    "OFFSET_SIGNAL_NR_THREADS": ("signal_struct", "nr_threads"),
    "OFFSET_SIGNAL_FLAGS": ("signal_struct", "flags"),
    "OFFSET_SIGNAL_GROUP_EXIT_CODE": ("signal_struct", "group_exit_code"),
    "OFFSET_SIGNAL_PIDS": ("signal_struct", "pids"),
    "OFFSET_PID_LEVEL": ("pid", "level"),
    "OFFSET_PID_NUMBERS": ("pid", "numbers"),
    "OFFSET_UPID_NR": ("upid", "nr"),
    "OFFSET_UPID_NS": ("upid", "ns"),
    "OFFSET_NS_INUM": ("pid_namespace", "ns", "inum"),
}

_FIELD: Final = re.compile(
    r"^[ \t]*field:(?P<declaration>[^;\n]{1,200});[ \t]*offset:(?P<offset>[0-9]{1,6});",
    re.MULTILINE,
)


def offsets(btf: Btf) -> dict[str, int]:
    """Return the offset in bytes for each macro."""
    return {
        **{macro: btf.offset(*path) for macro, path in _PATHS.items()},
        "SIZE_UPID": btf.size("upid"),
    }


def tracepoint_fields(text: str) -> dict[str, int]:
    """Return the offset of each field in a tracepoint's ``format`` file."""
    found = (
        (match["declaration"].split(), int(match["offset"])) for match in _FIELD.finditer(text)
    )
    # An array's length stands behind its name: "char comm[16]".
    return {words[-1].partition("[")[0]: offset for words, offset in found if words}


def kernel_facts(btf: Btf, exit_fields: Mapping[str, int]) -> dict[str, str]:
    """Return the facts of this kernel's buffers that changed between versions, for the journal.

    Keys and values are text: "yes" or "no", or the name of a type.
    """

    def has(structure: str, name: str) -> str:
        return "no" if btf.field(structure, name) is None else "yes"

    lock = btf.field("bpf_ringbuf", "spinlock")
    return {
        "ring_buffer": has("bpf_ringbuf", "consumer_pos"),
        "ring_pending_pos": has("bpf_ringbuf", "pending_pos"),
        "ring_overwrite_pos": has("bpf_ringbuf", "overwrite_pos"),
        "ring_lock": "none" if lock is None else lock.type_name,
        "exit_group_dead": "yes" if "group_dead" in exit_fields else "no",
    }
