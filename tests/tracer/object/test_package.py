# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test what is refused of a package before anything of it is loaded, each in its own words."""

from __future__ import annotations

import base64
import json
import os
import struct
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
from fuzz.btf_samples import _Writer

from bench.errors import UsageError
from bench.tracer.object import package


def made_up_object(btf: bytes, *, machine: int = 247, end: int = 1) -> bytes:
    """Return an ELF file with the sections .BTF and .shstrtab."""
    names = b"\0.BTF\0.shstrtab\0"
    place = 64 + len(btf) + len(names)
    identity = b"\x7fELF" + bytes([2, end, 1]) + bytes(9)
    head = struct.pack(
        "=16sHHIQQQIHHHHHH", identity, 1, machine, 1, 0, 0, place, 0, 64, 0, 0, 64, 3, 2
    )
    rows = [(0, 0, 0, 0), (1, 1, 64, len(btf)), (6, 3, 64 + len(btf), len(names))]
    table = b"".join(
        struct.pack("=IIQQQQIIQQ", name, kind, 0, 0, at, size, 0, 0, 1, 0)
        for name, kind, at, size in rows
    )
    return head + btf + names + table


def types() -> bytes:
    made = _Writer()
    integer = made.add(1, "int", 4, struct.pack("=I", 1 << 24 | 32))
    made.composite(4, "event", ("pid", integer))
    return made.blob()


OBJECT = made_up_object(types())
EVENT = {
    "name": "event",
    "members": [{"name": "pid", "type": "int"}],
    "size": 8,
    "type_id": 2,
}


def packed(content: bytes = OBJECT, **changed: Any) -> bytes:
    file = {
        "bpf_object": base64.b64encode(zlib.compress(content)).decode(),
        "bpf_object_size": len(content),
        "eunomia_version": "0.3.3",  # as eunomia's older packages have it
        "meta": {"bpf_skel": {"maps": []}, "export_types": [EVENT]},
    }
    return json.dumps(file | changed).encode()


def meta(**changed: Any) -> dict[str, Any]:
    return {"export_types": [EVENT | changed]}


@pytest.mark.skipif(sys.byteorder != "little", reason="the made-up object is little-endian")
def test_a_package_and_its_object_are_read_alike() -> None:
    for content in (OBJECT, packed()):
        found = package.parse(content, "x")
        assert found.elf == OBJECT
        assert [each.name for each in found.columns(None)] == ["pid"]
    assert set(package.sections(OBJECT)) == {"", ".BTF", ".shstrtab"}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "not a package"),
        (b"not json", "not a package"),
        (b"[]", "not a package"),
        (b'{"bpf_object": 3}', "bpf_object"),
        (packed(bpf_object="?"), "cannot be unpacked"),
        (packed(bpf_object="AAAA"), "cannot be unpacked"),
        (packed(bpf_object_size=len(OBJECT) - 1), "not as long as it says"),
        (packed(bpf_object_size=1 << 40), "bytes"),
        (packed(bpf_object_size=-1), "bytes"),
        (packed(bytes(1 << 20), bpf_object_size=4_096), "not as long as it says"),
        (packed(arch="s390x"), "for another architecture: s390x"),
        (packed(made_up_object(types(), end=2)), "for another architecture"),
        (packed(made_up_object(types(), machine=62)), "not a BPF object"),
        (packed(OBJECT[:-1]), "truncated"),
        (packed(OBJECT[:40]), "no ELF object"),
        (packed(OBJECT.replace(b".BTF", b".XTF")), "no BTF"),
        (made_up_object(types()[:-40]), "BTF is damaged"),
    ],
)
def test_what_is_no_package_is_refused_by_name(
    content: bytes, complaint: str, tmp_path: Path
) -> None:
    file = tmp_path / "x.json"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=complaint) as refused:
        package.read(file)
    assert str(file) in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("changed", "event", "complaint"),
    [
        ({"name": "other"}, None, "no struct other; name one of event"),
        ({"size": 12}, None, "12 bytes by the package, 8 by the object's BTF"),
        ({}, "other", "no struct other"),
        ({}, "", "no struct ''; name one of event"),
    ],
)
def test_an_event_that_the_btf_contradicts_is_refused(
    changed: dict[str, Any], event: str | None, complaint: str
) -> None:
    found = package.parse(packed(meta=meta(**changed)), "x")
    with pytest.raises(UsageError, match=complaint):
        found.columns(event)


def test_a_file_whose_name_is_not_text_has_a_name() -> None:
    name = os.fsdecode(b"x\xff")
    assert package.parse(OBJECT, name).name == "x?"


def test_several_events_have_to_be_chosen_from() -> None:
    both = {"export_types": [EVENT, EVENT | {"name": "other"}]}
    found = package.parse(packed(meta=both), "x")
    with pytest.raises(UsageError, match="exports event, other"):
        found.columns(None)
    assert [each.name for each in found.columns("event")] == ["pid"]
