# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Load the system's libbpf with ctypes, and keep the reasons that it prints when a call fails."""

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
ON_EVENT: Final = ct.CFUNCTYPE(_INT, _P, _INT, _P)
_ON_PRINT: Final = ct.CFUNCTYPE(_INT, _INT, _TEXT, _P)
_FUNCTIONS: Final[dict[tuple[Any, ...], str]] = {  # by types of the result and the arguments
    (_U32,): "libbpf_major_version libbpf_minor_version",
    (None, _P): "bpf_object__close btf__free btf_dump__free ring_buffer__free perf_buffer__free",
    (_INT, _P): "bpf_object__load bpf_object__btf_fd bpf_map__fd bpf_map__type bpf_program__fd"
    " bpf_program__type bpf_program__expected_attach_type bpf_link__destroy ring_buffer__epoll_fd"
    " ring_buffer__consume perf_buffer__epoll_fd perf_buffer__consume",
    (_U32, _P): "bpf_map__key_size bpf_map__value_size bpf_map__max_entries bpf_map__map_flags"
    " bpf_program__flags btf__type_cnt",
    (_BOOL, _P): "bpf_program__autoload bpf_program__autoattach",
    (_SIZE, _P): "bpf_program__insn_cnt perf_buffer__buffer_cnt",
    (_TEXT, _P): "bpf_map__name bpf_program__name bpf_program__section_name",
    (_P, _P): "libbpf_set_print bpf_object__btf bpf_map__inner_map bpf_program__insns"
    " bpf_program__attach",
    (_INT, _P, _U32): "bpf_map__set_max_entries btf_dump__dump_type",
    (_INT, _P, _INT): "bpf_program__set_type bpf_program__set_expected_attach_type"
    " bpf_map__set_inner_map_fd perf_buffer__poll",
    (_INT, _P, _BOOL): "bpf_program__set_autoload",
    (_INT, _P, _TEXT): "bpf_map__set_pin_path",
    (_INT, _P, _TEXT, _U32): "btf__find_by_name_kind",
    (_INT, _P, _INT, _TEXT): "bpf_program__set_attach_target",
    (_INT, _TEXT, _INT): "libbpf_find_vmlinux_btf_id",
    (_TEXT, _P, _U32): "btf__name_by_offset",
    (_P, _TEXT): "btf__parse_raw",
    (_P, _P, _U32): "btf__type_by_id ring_buffer__ring",
    (_INT, _P, _SIZE): "ring__consume_n perf_buffer__buffer_fd",
    (_P, _P, _TEXT): "bpf_object__find_map_by_name bpf_object__find_program_by_name",
    (_P, _P, _P): "bpf_object__next_map bpf_object__next_program",
    (_P, _P, ct.POINTER(_SIZE)): "bpf_map__initial_value",
    (_P, _TEXT, _SIZE, _P): "bpf_object__open_mem",
    (_P, _P, _P, _P, _P): "btf_dump__new",
    (_P, _INT, ON_SAMPLE, _P, _P): "ring_buffer__new",
    (_INT, _P, _INT, ON_SAMPLE, _P): "ring_buffer__add",
    (_P, _INT, _SIZE, ON_PERF, ON_LOST, _P, _P): "perf_buffer__new",
    (_P, _INT, _SIZE, _TEXT, ON_EVENT, _P, _P): "perf_buffer__new_raw",
}
_LOG: Final = re.compile(
    r"prog '(?P<name>[^']*)': -- BEGIN PROG LOAD LOG --\n(?P<log>.*)-- END PROG LOAD LOG --",
    re.DOTALL,
)
_NO_REASON: Final = re.compile(
    r"processed |verification time|stack depth|subprog \d+ \(|arg#"
    r"|cur state:|old state:"  # of a loop without an end
)


class Libbpf:
    """Call the library, with its warnings kept instead of printed; made by :func:`loaded`."""

    def __init__(self, library: ct.CDLL, warnings: list[str]) -> None:
        self._library = library
        self.warnings = warnings

    def __getattr__(self, name: str) -> Any:
        return getattr(self._library, name)

    def refused(self, what: str, code: int) -> KernelRefused:
        """Return the error for a call that failed with this errno: the reason is in the log."""
        error = OSError(code, os.strerror(code))
        said = "".join(self.warnings)
        found = _LOG.search(said)
        if found and (last := last_reason(found["log"])):
            reason = f"program {found['name']}: {last}"
        else:
            reason = said.strip().partition("\n")[0].removeprefix("libbpf: ").rstrip(".")
        reason = reason.removesuffix(f": {error.strerror}")
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
    for (result, *arguments), names in _FUNCTIONS.items():
        for each in names.split():
            if function := getattr(library, each, None):  # some came after 1.0
                function.restype, function.argtypes = result, arguments
    return library


def require(function: str, came_with: str) -> None:
    """Raise MachineUnfit where the system's libbpf is older than ``function``."""
    library = find()
    if not hasattr(library, function):
        raise MachineUnfit(
            f"{function} came with libbpf {came_with}; this is {version_of(library)}",
            remedy="take another --reader, or install a later libbpf",
        )


def version_of(library: ct.CDLL) -> str:
    """Return "1.1" for libbpf 1.1.2."""
    return f"{library.libbpf_major_version()}.{library.libbpf_minor_version()}"


@contextmanager
def loaded() -> Iterator[Libbpf]:
    """Load the system's libbpf and keep its warnings; MachineUnfit as of :func:`find`."""
    library = find()
    c_library, warnings = ct.CDLL(None), list[str]()
    vasprintf, free = c_library.vasprintf, c_library.free

    def called_by_c(level: int, form: bytes, arguments: int) -> int:
        # Call no Python function here: Ctrl-C would be raised in it (bench/host/signals.py).
        text = ct.c_char_p()
        if (
            level == _WARNING
            and vasprintf(ct.byref(text), ct.c_char_p(form), ct.c_void_p(arguments)) >= 0
            and text.value
        ):
            warnings.append(text.value.decode(errors="replace"))
            free(text)
        return 0

    printer = _ON_PRINT(called_by_c)
    library.libbpf_set_print(ct.cast(printer, ct.c_void_p))
    try:
        yield Libbpf(library, warnings)
    finally:
        library.libbpf_set_print(None)


def last_reason(log: str) -> str:
    """Return the last line of a verifier's log that gives a reason; "" where none does."""
    lines = [line.strip() for line in log.splitlines()]
    return next((each for each in reversed(lines) if each and not _NO_REASON.match(each)), "")
