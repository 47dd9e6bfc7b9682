# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Find the offsets of the kernel's fields, in BTF by libbpf and in a tracepoint's format.

Source of the format: Documentation/bpf/btf.rst. libbpf reads it in some 20 ms.
"""

from __future__ import annotations

import ctypes as ct
import os
import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

from bench.errors import MachineUnfit
from bench.linux import libc, refusal
from bench.tracer import libbpf

VMLINUX: Final = Path("/sys/kernel/btf/vmlinux")

_KIND_STRUCT: Final = 4
_KIND_UNION: Final = 5
_OVERWRITE_POS: Final = 16  # bytes from producer_pos; bench/tracer/capture/buffers.pxd has it
_KIND_DATASEC: Final = 15
_WORDS: Final = struct.Struct("=III")
_MODIFIERS: Final = frozenset({8, 9, 10, 11, 18})  # typedef, volatile, const, restrict, type tag
_MEMBERS: Final = {  # bpf/common/exit.h needs OFFSET_TASK_SIGNAL and so on
    "TASK": "task_struct signal group_leader real_parent children start_time tgid comm exit_code",
    "SIGNAL": "signal_struct live nr_threads flags group_exit_code pids",
    "PID": "pid level numbers",
    "UPID": "upid nr ns",
}
_HEADER_BEGINS: Final = b"""\
#ifndef __VMLINUX_H__
#define __VMLINUX_H__
#pragma clang attribute push (__attribute__((preserve_access_index)), apply_to = record)
"""
_HEADER_ENDS: Final = b"""
#pragma clang attribute pop
#endif
"""
_FIELD: Final = re.compile(
    r"^[ \t]*field:(?P<declaration>[^;\n]{1,200});[ \t]*offset:(?P<offset>[0-9]{1,6});",
    re.MULTILINE,
)


class _Type(NamedTuple):
    """Decode the header of a type: struct btf_type."""

    name_off: int
    info: int
    size_or_type: int
    address: int

    @property
    def kind(self) -> int:
        return self.info >> 24 & 0x1F

    def rows(self) -> list[tuple[int, ...]]:
        """Return its members (name, type, place in bits) or variables (type, offset, bytes)."""
        count = self.info & 0xFFFF
        return [*_WORDS.iter_unpack(ct.string_at(self.address + _WORDS.size, _WORDS.size * count))]


class Field(NamedTuple):
    """Locate a member of a structure: its offset in bytes and the name of its type."""

    offset: int
    type_name: str


class Btf:
    """Look up types of a kernel (see :func:`opened`), or of an object that libbpf has opened."""

    def __init__(self, library: Any, handle: int) -> None:
        self._library = library
        self._handle = handle

    def field(self, structure: str, name: str) -> Field | None:
        """Return the member ``name``, also inside anonymous members, or None.

        Members are searched in the order of declaration, each type once: damaged BTF may have
        cycles.
        """
        left = [(type_id, 0)] if (type_id := self._find(structure)) > 0 else []
        seen, wanted = {type_id}, name.encode()
        while left:
            inside, start = left.pop()
            anonymous = []
            for found, member_type, offset in self._members(inside):
                if found == wanted:
                    declared = self._name(self._type(member_type).name_off)  # a typedef's, its own
                    return Field(start + offset, declared.decode(errors="replace"))
                if not found and (inner := self._resolved(member_type)) not in seen:
                    seen.add(inner)
                    anonymous.append((inner, start + offset))
            left += reversed(anonymous)
        return None

    def offset(self, structure: str, *path: str) -> int:
        """Return the offset of ``structure.path[0].path[1]...``; MachineUnfit if one is missing."""
        total = 0
        for name in path:
            found = self.field(structure, name)
            if found is None:
                raise MachineUnfit(
                    f"this kernel's BTF has no {structure}.{name}",
                    remedy="bufbench supports Linux 5.8 and later with its usual structures",
                )
            total += found.offset
            structure = found.type_name
        return total

    def size(self, structure: str) -> int:
        """Return the size of a structure in bytes."""
        type_id = self._find(structure)
        if type_id <= 0:
            raise MachineUnfit(f"this kernel's BTF has no struct {structure}")
        return self._type(type_id).size_or_type

    def declarations(self, *structures: str) -> str:
        """Return those of these structures that exist, in C, with all that they contain.

        Types that are only pointed to are declared by name.
        """
        with os.fdopen(os.memfd_create("bufbench_types"), "w+b") as file:
            self._print((found for name in structures if (found := self._find(name)) > 0), file)
            file.seek(0)
            return file.read().decode()

    def write_header(self, path: Path) -> None:
        """Write a vmlinux.h of all types; OSError where it cannot be written."""
        with path.open("wb", buffering=0) as file:
            file.write(_HEADER_BEGINS)
            self._print(range(1, self._library.btf__type_cnt(self._handle)), file)
            file.write(_HEADER_ENDS)

    def _print(self, types: Iterable[int], file: IO[bytes]) -> None:
        """Append the declarations of types to a file, by libbpf's btf_dump; OSError.

        libbpf calls vfprintf(3) itself, without Python: some 500,000 times for a kernel.
        """
        library = ct.CDLL(None, use_errno=True)
        library.fdopen.restype = ct.c_void_p
        stream = ct.c_void_p(library.fdopen(os.dup(file.fileno()), b"a"))
        printer = ct.cast(library.vfprintf, ct.c_void_p)
        dump = self._library.btf_dump__new(self._handle, printer, stream, None)
        try:
            if not dump:
                raise refusal.refused("libbpf cannot print this kernel's BTF", libc.last_error())
            for type_id in types:
                self._library.btf_dump__dump_type(dump, type_id)
        finally:
            self._library.btf_dump__free(dump)
            failed = library.fclose(stream)
        if failed:
            raise libc.last_error()

    def variables(self, section: str) -> dict[str, int]:
        """Return the offset of each variable in an object's data section."""
        rows = self._type(self._find(section, _KIND_DATASEC)).rows()
        return {self._name(self._type(kind).name_off).decode(): offset for kind, offset, _ in rows}

    def _find(self, structure: str, kind: int = _KIND_STRUCT) -> int:
        """Return the structure's type, or an error, which is negative."""
        return int(self._library.btf__find_by_name_kind(self._handle, structure.encode(), kind))

    def _type(self, type_id: int) -> _Type:
        address = self._library.btf__type_by_id(self._handle, type_id)
        if not address:
            raise MachineUnfit(f"this kernel's BTF is damaged: no type {type_id}")
        return _Type._make((*_WORDS.unpack(ct.string_at(address, _WORDS.size)), address))

    def _name(self, place: int) -> bytes:
        return self._library.btf__name_by_offset(self._handle, place) or b""

    def _members(self, type_id: int) -> Iterator[tuple[bytes, int, int]]:
        """Yield the name, type and offset of each member; a type of another kind has none."""
        header = self._type(type_id)
        if header.kind not in (_KIND_STRUCT, _KIND_UNION):
            return
        for name, member_type, place in header.rows():
            bits = place & 0xFFFFFF if header.info >> 31 else place  # bitfields
            yield self._name(name), member_type, bits // 8

    def _resolved(self, type_id: int) -> int:
        for _ in range(32):  # damaged BTF may have a cycle
            if (found := self._type(type_id)).kind not in _MODIFIERS:
                break
            type_id = found.size_or_type
        return type_id


@contextmanager
def opened(path: Path = VMLINUX) -> Iterator[Btf]:
    """Parse the BTF blob at ``path``; MachineUnfit if it is missing."""
    try:
        path.open("rb").close()
    except FileNotFoundError as error:
        raise MachineUnfit(
            f"no BTF at {path}", remedy="boot a kernel built with CONFIG_DEBUG_INFO_BTF"
        ) from error
    except OSError as error:
        raise refusal.refused(f"the BTF at {path} cannot be read", error) from error
    library = libbpf.find()
    handle = library.btf__parse_raw(str(path).encode())
    if not handle:
        raise refusal.refused(f"libbpf cannot read the BTF at {path}", libc.last_error())
    try:
        yield Btf(library, handle)
    finally:
        library.btf__free(handle)


def offsets(btf: Btf) -> dict[str, int]:
    """Return the offset in bytes for each macro."""
    found = {
        "OFFSET_NS_INUM": btf.offset("pid_namespace", "ns", "inum"),
        "SIZE_UPID": btf.size("upid"),
    }
    for name, (structure, *members) in ((name, text.split()) for name, text in _MEMBERS.items()):
        for member in members:
            found[f"OFFSET_{name}_{member.upper()}"] = btf.offset(structure, member)
    return found


def tracepoint_fields(text: str) -> dict[str, int]:
    """Return the offset of each field in a tracepoint's ``format`` file."""
    found = (
        (match["declaration"].split(), int(match["offset"])) for match in _FIELD.finditer(text)
    )
    # An array's length follows its name: "char comm[16]".
    return {words[-1].partition("[")[0]: offset for words, offset in found if words}


def overwrites(btf: Btf) -> bool:
    """Return whether rings can overwrite and have that position where the capture expects it."""
    produced, oldest = (
        btf.field("bpf_ringbuf", name) for name in ("producer_pos", "overwrite_pos")
    )
    return bool(produced and oldest and oldest.offset - produced.offset == _OVERWRITE_POS)


def kernel_facts(btf: Btf, exit_fields: Mapping[str, int]) -> dict[str, str]:
    """Return the facts of this kernel's buffers that changed between versions, for the journal.

    Keys and values are text: "yes" or "no", or the name of a type.
    """

    def has(name: str) -> str:
        return "no" if btf.field("bpf_ringbuf", name) is None else "yes"

    lock = btf.field("bpf_ringbuf", "spinlock")
    return {
        "ring_buffer": has("consumer_pos"),
        "ring_pending_pos": has("pending_pos"),
        "ring_overwrite_pos": has("overwrite_pos"),
        "ring_lock": "none" if lock is None else lock.type_name,
        "exit_group_dead": "yes" if "group_dead" in exit_fields else "no",
    }
