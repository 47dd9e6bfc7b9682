# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Read and write a tracer as one file: an object and its description, as eunomia-bpf has it.

Source of the format: https://docs.rs/bpf-loader-lib, module meta. ``bpf_object`` is the ELF file,
compressed by zlib, in base64. ``arch`` is an addition to eunomia's form. The ELF file
(elf(5)) is checked here before libbpf reads it, which trusts more than it should.
"""

from __future__ import annotations

import base64
import binascii
import json
import platform
import struct
import sys
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from bench.amounts import size
from bench.errors import UsageError
from bench.tracer.object.types import Column, Types

_MOST_BYTES: Final = 64 << 20
_REMEDY: Final = "give a package of bufbench object build or eunomia's ecc, or a BPF object"
_AGAIN: Final = "make it again with bufbench object build, or clang -target bpf"
_USUAL_EVENT: Final = "event"
_MAGIC: Final = b"\x7fELF"
_ELF_HEADER: Final = "16sHHIQQQIHHHHHH"
_ELF_SECTION: Final = "IIQQQQIIQQ"
_CLASS_64: Final = 2
_ENDS: Final = {"little": 1, "big": 2}
_NO_BITS: Final = 8
_RELOCATABLE: Final = 1
_MACHINE_BPF: Final = 247


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """Declare a member of the event, with its type in C."""

    name: str
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """Describe a structure that the object sends."""

    name: str
    members: tuple[Member, ...]
    size: int
    type_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """Hold an object, its types, and the structures that are known to be its events."""

    name: str
    elf: bytes
    types: Types
    exported: tuple[Exported, ...]

    @property
    def licence(self) -> bytes:
        """Return the licence of its programs."""
        return bytes(sections(self.elf).get("license", b"")).split(b"\0", 1)[0]

    def columns(self, event: str | None) -> tuple[Column, ...]:
        """Return the columns of ``event``, by default of what the package exports."""
        if event is None and len(self.exported) > 1:
            names = ", ".join(each.name for each in self.exported)
            raise UsageError(f"{self.name} exports {names}", remedy="name one with --event")
        usual = self.exported[0].name if self.exported else _USUAL_EVENT
        name = usual if event is None else event
        number = self.types.find(name) if name else None  # anonymous ones have none
        if number is None:
            there = self.types.structures()
            shown = ", ".join(there[:8]) + (" ..." if len(there) > 8 else "")
            raise UsageError(
                f"{self.name}: its BTF has no struct {name or repr(name)}",
                remedy=f"name one of {shown} with --event"
                if there
                else "compile the object with -g",
            )
        for each in self.exported:
            if each.name == name and each.size != self.types[number].size:
                raise UsageError(
                    f"{self.name}: struct {name} has {each.size} bytes by the package, "
                    f"{self.types[number].size} by the object's BTF",
                    remedy="package the object again",
                )
        return self.types.columns(number)


@dataclass(frozen=True, slots=True)
class _Meta:
    export_types: tuple[Exported, ...] = ()


@dataclass(frozen=True, slots=True)
class _File:
    bpf_object: str
    bpf_object_size: int
    meta: _Meta
    arch: str | None = None


def read(path: Path) -> Package:
    """Read a package, or a BPF object as it is; UsageError where it cannot be used."""
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    if len(content) > _MOST_BYTES:
        raise UsageError(f"{path}: it is larger than {size(_MOST_BYTES)}", remedy=_REMEDY)
    try:
        return parse(content, path.name.split(".", 1)[0] or "object")
    except UsageError as error:
        raise UsageError(f"{path}: {error.message}", remedy=error.remedy) from error


def parse(content: bytes, name: str) -> Package:
    """Return the package that a file holds; UsageError where it holds none."""
    exported: tuple[Exported, ...] = ()
    if not content.startswith(_MAGIC):
        file = _file(content)
        if file.arch not in (None, platform.machine()):
            raise UsageError(
                f"its object is for another architecture: {file.arch}, this is "
                f"{platform.machine()}",
                remedy="build it on a machine like this one",
            )
        content, exported = _unpacked(file), file.meta.export_types
    found = sections(content)
    if ".BTF" not in found:
        raise UsageError("its object has no BTF", remedy="compile it with -g")
    types = Types.parse(bytes(found[".BTF"]))
    name = name.encode(errors="replace").decode()  # a file's name may be any bytes
    return Package(name=name, elf=content, types=types, exported=exported)


def _file(content: bytes) -> _File:
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(_File).validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise UsageError(
            f"it is not a package: {place}{': ' if place else ''}{first['msg']}", remedy=_REMEDY
        ) from error


def _unpacked(file: _File) -> bytes:
    """Return the object, unpacked up to its stated size."""
    if not 0 <= file.bpf_object_size <= _MOST_BYTES:
        raise UsageError(f"its object has {file.bpf_object_size} bytes", remedy=_REMEDY)
    try:
        packed = base64.b64decode(file.bpf_object, validate=True)
        elf = zlib.decompressobj().decompress(packed, file.bpf_object_size + 1)
    except (binascii.Error, ValueError, zlib.error) as error:
        raise UsageError(f"its object cannot be unpacked: {error}", remedy=_REMEDY) from error
    if len(elf) != file.bpf_object_size:
        raise UsageError("its object is not as long as it says", remedy=_REMEDY)
    return elf


def sections(elf: bytes) -> dict[str, memoryview]:
    """Return the contents of each section by name; UsageError unless it is a whole BPF object."""
    if not elf.startswith(_MAGIC) or len(elf) < struct.calcsize(f"={_ELF_HEADER}"):
        raise UsageError("it holds no ELF object", remedy=_AGAIN)
    if elf[4] != _CLASS_64 or elf[5] != _ENDS[sys.byteorder]:
        raise UsageError(
            f"its object is for another architecture: it is not 64-bit {sys.byteorder}-endian",
            remedy="build it on a machine like this one",
        )
    _, kind, machine, _, _, _, place, _, _, _, _, size, count, of_names = struct.unpack_from(
        f"={_ELF_HEADER}", elf
    )
    if machine != _MACHINE_BPF or kind != _RELOCATABLE:
        raise UsageError(f"its ELF file is not a BPF object (machine {machine})", remedy=_AGAIN)
    if size != struct.calcsize(f"={_ELF_SECTION}") or place + size * count > len(elf):
        raise UsageError("its object is truncated: no section table", remedy=_AGAIN)
    headers = [struct.unpack_from(f"={_ELF_SECTION}", elf, place + size * n) for n in range(count)]
    whole, contents = memoryview(elf), []
    for _, kind, _, _, offset, length, *_ in headers:
        if kind != _NO_BITS and offset + length > len(elf):
            raise UsageError("its object is truncated: a section is not whole", remedy=_AGAIN)
        contents.append(whole[:0] if kind == _NO_BITS else whole[offset : offset + length])
    if of_names >= count:
        raise UsageError("its object is damaged: its sections have no names", remedy=_AGAIN)
    names = bytes(contents[of_names])
    return {
        names[name : max(name, names.find(b"\0", name))].decode(errors="replace"): content
        for (name, *_), content in zip(headers, contents, strict=True)
    }


def written(
    package: Package, *, maps: list[str], programs: list[tuple[str, str]], arch: str
) -> str:
    """Return the file: ``maps`` by their names, ``programs`` by name and section."""
    types = package.types
    return (
        json.dumps(
            {
                "bpf_object": base64.b64encode(zlib.compress(package.elf, 9)).decode(),
                "bpf_object_size": len(package.elf),
                "meta": {
                    "bpf_skel": {
                        "obj_name": f"{package.name}_bpf",
                        "data_sections": [
                            {
                                "name": name,
                                "variables": [{"name": of, "type": text} for of, text in variables],
                            }
                            for name, variables in types.sections()
                            if name in (".data", ".rodata", ".bss")
                        ],
                        "maps": [
                            {"ident": name.rpartition(".")[2], "name": name, "mmaped": "." in name}
                            for name in maps
                        ],
                        "progs": [
                            {"name": name, "attach": section, "link": True}
                            for name, section in programs
                        ],
                    },
                    "export_types": [asdict(each) for each in package.exported],
                },
                "arch": arch,
            },
            indent=1,
        )
        + "\n"
    )


def exports(types: Types, names: list[str]) -> tuple[Exported, ...]:
    """Return the description of those structures that the object's BTF has."""
    return tuple(
        Exported(
            name=name,
            members=tuple(Member(name=of, type=text) for of, text in types.members(number)),
            size=types[number].size,
            type_id=number,
        )
        for name in names
        if (number := types.find(name)) is not None
    )
