# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Load the system's libbpf by ctypes, and keep the reasons that it prints when a call fails."""

from __future__ import annotations

import ctypes as ct
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from bench.errors import KernelRefused, MachineUnfit
from bench.linux import refusal

_NAME: Final = "libbpf.so.1"
_WARNING: Final = 0
_P, _INT, _TEXT, _SIZE = ct.c_void_p, ct.c_int, ct.c_char_p, ct.c_size_t
_U32, _BOOL = ct.c_uint32, ct.c_bool
ON_SAMPLE: Final = ct.CFUNCTYPE(_INT, _P, _P, _SIZE)
ON_PERF: Final = ct.CFUNCTYPE(None, _P, _INT, _P, _U32)
ON_LOST: Final = ct.CFUNCTYPE(None, _P, _INT, ct.c_uint64)
_ON_PRINT: Final = ct.CFUNCTYPE(_INT, _INT, _TEXT, _P)
_FUNCTIONS: Final[dict[str, tuple[Any, ...]]] = {  # of the result, then of the arguments
    "libbpf_major_version": (_U32,),
    "libbpf_minor_version": (_U32,),
    "libbpf_set_print": (_P, _P),
    "bpf_object__open_mem": (_P, _TEXT, _SIZE, _P),
    "bpf_object__load": (_INT, _P),
    "bpf_object__close": (None, _P),
    "bpf_object__btf": (_P, _P),
    "bpf_object__find_map_by_name": (_P, _P, _TEXT),
    "bpf_object__find_program_by_name": (_P, _P, _TEXT),
    "bpf_object__next_map": (_P, _P, _P),
    "bpf_object__next_program": (_P, _P, _P),
    "bpf_map__name": (_TEXT, _P),
    "bpf_map__fd": (_INT, _P),
    "bpf_map__type": (_INT, _P),
    "bpf_map__key_size": (_U32, _P),
    "bpf_map__value_size": (_U32, _P),
    "bpf_map__max_entries": (_U32, _P),
    "bpf_map__initial_value": (_P, _P, ct.POINTER(_SIZE)),
    "bpf_map__inner_map": (_P, _P),
    "bpf_map__set_map_flags": (_INT, _P, _U32),
    "bpf_map__set_max_entries": (_INT, _P, _U32),
    "bpf_map__set_pin_path": (_INT, _P, _TEXT),
    "bpf_program__name": (_TEXT, _P),
    "bpf_program__section_name": (_TEXT, _P),
    "bpf_program__fd": (_INT, _P),
    "bpf_program__autoload": (_BOOL, _P),
    "bpf_program__set_autoload": (_INT, _P, _BOOL),
    "bpf_program__set_type": (_INT, _P, _INT),
    "bpf_program__set_expected_attach_type": (_INT, _P, _INT),
    "bpf_program__set_attach_target": (_INT, _P, _INT, _TEXT),
    "bpf_program__autoattach": (_BOOL, _P),
    "bpf_program__attach": (_P, _P),
    "bpf_program__type": (_INT, _P),
    "bpf_program__expected_attach_type": (_INT, _P),
    "bpf_program__flags": (_U32, _P),
    "bpf_program__insns": (_P, _P),
    "bpf_program__insn_cnt": (_SIZE, _P),
    "libbpf_find_vmlinux_btf_id": (_INT, _TEXT, _INT),
    "bpf_link__destroy": (_INT, _P),
    "btf__find_by_name_kind": (ct.c_int32, _P, _TEXT, _U32),
    "btf__type_by_id": (_P, _P, _U32),
    "btf__name_by_offset": (_TEXT, _P, _U32),
    "btf__parse_raw": (_P, _TEXT),
    "btf__free": (None, _P),
    "btf__type_cnt": (_U32, _P),
    "btf_dump__new": (_P, _P, _P, _P, _P),
    "btf_dump__dump_type": (ct.c_int32, _P, _U32),
    "btf_dump__free": (None, _P),
    "ring_buffer__new": (_P, _INT, ON_SAMPLE, _P, _P),
    "ring_buffer__add": (_INT, _P, _INT, ON_SAMPLE, _P),
    "ring_buffer__epoll_fd": (_INT, _P),
    "ring_buffer__consume": (_INT, _P),
    "ring_buffer__free": (None, _P),
    "perf_buffer__new": (_P, _INT, _SIZE, ON_PERF, ON_LOST, _P, _P),
    "perf_buffer__epoll_fd": (_INT, _P),
    "perf_buffer__consume": (_INT, _P),
    "perf_buffer__free": (None, _P),
}
_LOG: Final = re.compile(
    r"prog '(?P<name>[^']*)': -- BEGIN PROG LOAD LOG --\n(?P<log>.*)-- END PROG LOAD LOG --",
    re.DOTALL,
)
_NO_REASON: Final = ("processed ", "verification time", "stack depth", "arg#")


class Libbpf:
    """The library, with its warnings kept instead of printed. Made by :func:`loaded`."""

    def __init__(self, library: ct.CDLL, warnings: list[str]) -> None:
        self._library = library
        self.warnings = warnings

    def __getattr__(self, name: str) -> Any:
        return getattr(self._library, name)

    def refused(self, what: str, code: int) -> KernelRefused:
        """Return the error for a call that failed with this errno: the reason is in the log."""
        error = OSError(code, os.strerror(code))
        said = "".join(self.warnings)
        reason = (_verifier(said) or _first(said)).removesuffix(f": {error.strerror}")
        shown = refusal.named(error)
        remedy = refusal.remedy_for(code) if not reason else ""
        return KernelRefused(f"{what}: {f'{reason} ({shown})' if reason else shown}", remedy=remedy)


def name() -> str:
    """Return the name under which libbpf 1.0 or later can be loaded; MachineUnfit if it cannot."""
    try:
        ct.CDLL(_NAME)
    except OSError as error:
        raise MachineUnfit(
            "libbpf 1.0 or later cannot be loaded",
            remedy="apt-get install libbpf1, or the package of this distribution",
        ) from error
    return _NAME


def find() -> ct.CDLL:
    """Return the system's libbpf; MachineUnfit as above."""
    library = ct.CDLL(name(), use_errno=True)
    for function_name, (result, *arguments) in _FUNCTIONS.items():
        function = getattr(library, function_name)
        function.restype, function.argtypes = result, arguments
    return library


@contextmanager
def loaded() -> Iterator[Libbpf]:
    """Load the system's libbpf and keep its warnings; MachineUnfit as of :func:`find`."""
    library = find()
    c_library, warnings = ct.CDLL(None), list[str]()

    def keep(level: int, form: bytes, arguments: int) -> int:
        text = ct.c_void_p()
        if (
            level == _WARNING
            and c_library.vasprintf(ct.byref(text), ct.c_char_p(form), ct.c_void_p(arguments)) >= 0
            and text.value
        ):
            warnings.append(ct.string_at(text.value).decode(errors="replace"))
            c_library.free(text)
        return 0

    printer = _ON_PRINT(keep)
    library.libbpf_set_print(ct.cast(printer, ct.c_void_p))
    try:
        yield Libbpf(library, warnings)
    finally:
        library.libbpf_set_print(None)


def _verifier(said: str) -> str:
    """Return the program and the last line of its log that gives a reason; "" without a log."""
    if (found := _LOG.search(said)) is None:
        return ""
    reason = last_reason(found["log"])
    return f"program {found['name']}: {reason}" if reason else ""


def last_reason(log: str) -> str:
    """Return the last line of a verifier's log that gives a reason; "" where none does."""
    lines = [line.strip() for line in log.splitlines()]
    return next((each for each in reversed(lines) if each and not each.startswith(_NO_REASON)), "")


def _first(said: str) -> str:
    first = said.strip().partition("\n")[0]
    return re.sub(r"^libbpf: ", "", first).rstrip(".")
