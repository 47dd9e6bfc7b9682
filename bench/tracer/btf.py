# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Offsets of the running kernel's fields, from BTF by libbpf through ctypes.

Source of the format: Documentation/bpf/btf.rst. libbpf reads it in some 20 ms.
"""

from __future__ import annotations

import ctypes as ct
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.errors import MachineUnfit
from bench.linux import refusal

VMLINUX: Final = Path("/sys/kernel/btf/vmlinux")

_KIND_STRUCT: Final = 4
_KIND_UNION: Final = 5
_MODIFIERS: Final = frozenset({8, 9, 10, 11, 18})  # typedef, volatile, const, restrict, type tag


class _Type(ct.Structure):
    _fields_ = (("name_off", ct.c_uint32), ("info", ct.c_uint32), ("size_or_type", ct.c_uint32))


class _Member(ct.Structure):
    _fields_ = (("name_off", ct.c_uint32), ("type", ct.c_uint32), ("offset", ct.c_uint32))


def _libbpf() -> ct.CDLL:
    for name in ("libbpf.so.1", "libbpf.so.0"):
        try:
            library = ct.CDLL(name, use_errno=True)
        except OSError:
            continue
        library.btf__parse_raw.restype = ct.c_void_p
        library.btf__parse_raw.argtypes = [ct.c_char_p]
        library.btf__free.argtypes = [ct.c_void_p]
        library.btf__find_by_name_kind.restype = ct.c_int32
        library.btf__find_by_name_kind.argtypes = [ct.c_void_p, ct.c_char_p, ct.c_uint32]
        library.btf__type_by_id.restype = ct.c_void_p
        library.btf__type_by_id.argtypes = [ct.c_void_p, ct.c_uint32]
        library.btf__name_by_offset.restype = ct.c_char_p
        library.btf__name_by_offset.argtypes = [ct.c_void_p, ct.c_uint32]
        return library
    raise MachineUnfit("libbpf.so.1 is missing", remedy="install it: apt-get install libbpf1")


@dataclass(frozen=True, slots=True)
class Field:
    """A member of a structure: its place in bytes and the name of its type."""

    offset: int
    type_name: str


class Btf:
    """The types of one kernel. Made by :func:`opened`."""

    def __init__(self, library: ct.CDLL, handle: int) -> None:
        self._library = library
        self._handle = handle

    def field(self, structure: str, name: str) -> Field | None:
        """Return the member ``name``, also inside anonymous members, or None."""
        type_id = self._find(structure)
        return None if type_id is None else self._member(type_id, name.encode(), 0)

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
        if type_id is None:
            raise MachineUnfit(f"this kernel's BTF has no struct {structure}")
        return int(self._type(type_id).size_or_type)

    def _find(self, structure: str) -> int | None:
        found = self._library.btf__find_by_name_kind(self._handle, structure.encode(), _KIND_STRUCT)
        return found if found > 0 else None

    def _type(self, type_id: int) -> _Type:
        address = self._library.btf__type_by_id(self._handle, type_id)
        if not address:
            raise MachineUnfit(f"this kernel's BTF is damaged: no type {type_id}")
        return _Type.from_address(address)

    def _members(self, type_id: int) -> Iterator[tuple[bytes, int, int]]:
        header = self._type(type_id)
        start = ct.addressof(header) + ct.sizeof(_Type)
        bitfields = header.info >> 31
        for index in range(header.info & 0xFFFF):
            member = _Member.from_address(start + index * ct.sizeof(_Member))
            name = self._library.btf__name_by_offset(self._handle, member.name_off) or b""
            bits = member.offset & 0xFFFFFF if bitfields else member.offset
            yield name, member.type, bits // 8

    def _resolved(self, type_id: int) -> tuple[int, _Type]:
        found = self._type(type_id)
        for _ in range(32):  # damaged BTF could refer in a circle
            if (found.info >> 24 & 0x1F) not in _MODIFIERS:
                break
            type_id = found.size_or_type
            found = self._type(type_id)
        return type_id, found

    def _member(self, type_id: int, wanted: bytes, base: int) -> Field | None:
        """Search in the order of declaration, each type once: damaged BTF has circles."""
        seen = {type_id}
        left = [(type_id, base)]
        while left:
            inside, start = left.pop()
            anonymous = []
            for name, member_type, offset in self._members(inside):
                if name == wanted:
                    return Field(start + offset, self._type_name(member_type))
                if name == b"":
                    inner, header = self._resolved(member_type)
                    kind = header.info >> 24 & 0x1F
                    if kind in (_KIND_STRUCT, _KIND_UNION) and inner not in seen:
                        seen.add(inner)
                        anonymous.append((inner, start + offset))
            left += reversed(anonymous)
        return None

    def _type_name(self, type_id: int) -> str:
        """Return the name of the type as declared (a typedef keeps its own name)."""
        header = self._type(type_id)
        name = self._library.btf__name_by_offset(self._handle, header.name_off) or b""
        return bytes(name).decode(errors="replace")


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
    library = _libbpf()
    handle = library.btf__parse_raw(str(path).encode())
    # libbpf 0.x gives an error as a pointer within the last page.
    if not handle or handle > 2**64 - 4096:
        code = ct.get_errno()
        raise refusal.refused(
            f"libbpf cannot read the BTF at {path}", OSError(code, os.strerror(code))
        )
    try:
        yield Btf(library, handle)
    finally:
        library.btf__free(handle)
