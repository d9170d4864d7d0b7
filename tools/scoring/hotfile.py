"""Reads a package and its hotpatch images anew, by docs/formats, without Suture's own code: what a target's memory must hold after
apply is computed here a second time, so that an error in the tool does not confirm itself."""
import hashlib
import json
import struct
import subprocess
from dataclasses import dataclass, field

BASE_REL32, BASE_ABS64, SELF_ABS64, SELF_ABS32, IMPORT_ABS64 = range(5)
FORM_BYTES, FORM_MASKED, FORM_DIGEST = range(3)
PT_LOAD, PF_X = 1, 1
VERSIONS = (1, 2)
HEADER_BYTES = 400  # ELF and program headers at the start of the first segment: no content


class FormatError(Exception):
    """A file is not what docs/formats says."""


@dataclass
class Redirect:
    name: str
    old_entry: int
    site: int
    target: int
    new_size: int


@dataclass
class Validation:
    begin: int
    size: int
    form: int
    expected: bytes
    mask: bytes = b""

    def holds(self, memory):
        if self.form == FORM_DIGEST:
            return hashlib.sha256(memory).digest() == self.expected
        if self.form == FORM_BYTES:
            return memory == self.expected
        return all((have & keep) == (want & keep) for have, want, keep in zip(memory, self.expected, self.mask))


@dataclass
class HotImage:
    base_path: str = ""
    code: bytes = b""
    fixups: list = field(default_factory=list)  # (place, kind)
    validations: list = field(default_factory=list)
    redirects: list = field(default_factory=list)


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        if self.at + count > len(self.data):
            raise FormatError("the .suture section is cut off")
        self.at += count
        return self.data[self.at - count:self.at]

    def byte(self):
        return self.take(1)[0]

    def unsigned(self):
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def signed(self):
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value - (1 << shift) if byte & 0x40 else value

    def text(self):
        return self.take(self.unsigned()).decode(errors="replace")


def unzstd(data):
    return subprocess.run(["zstd", "-q", "-d", "-c", "--long=27"], input=data, stdout=subprocess.PIPE, check=True).stdout


def read_package(path):
    """The manifest, and the hot images by the path of their base."""
    data = path.read_bytes()
    if data.startswith(b"untrusted comment: "):
        data = data.split(b"\n", 4)[4]
    if not data.startswith(b"SUTPKG1\n"):
        raise FormatError(f"{path} is not a package")
    (manifest_bytes,) = struct.unpack_from("<I", data, 8)
    manifest = json.loads(data[24:24 + manifest_bytes])
    at, images = 24 + manifest_bytes, {}
    for entry in manifest["images"]:
        for kind in ("hot", "cold"):
            if blob := entry[kind]:
                if kind == "hot":
                    images[entry["path"]] = read_hot_image(unzstd(data[at:at + blob["compressed_size"]]))
                at += blob["compressed_size"]
    return manifest, images


def sections_of(data):
    """ELF64 sections: name -> (offset, size)."""
    (shoff,), (shentsize, shnum, shstrndx) = struct.unpack_from("<Q", data, 40), struct.unpack_from("<HHH", data, 58)
    headers = [struct.unpack_from("<IIQQQQIIQQ", data, shoff + i * shentsize) for i in range(shnum)]
    names = headers[shstrndx][4]
    return {data[names + h[0]:data.index(b"\0", names + h[0])].decode(): (h[4], h[5]) for h in headers}


def read_hot_image(data):
    image = HotImage()
    (phoff,), (phentsize, phnum) = struct.unpack_from("<Q", data, 32), struct.unpack_from("<HH", data, 54)
    for i in range(phnum):
        kind, flags, offset, _, _, file_bytes, _, _ = struct.unpack_from("<IIQQQQQQ", data, phoff + i * phentsize)
        if kind == PT_LOAD and flags & PF_X:
            image.code = data[offset:offset + file_bytes]
    sections = sections_of(data)
    offset, size = sections[".suture"]
    outer = data[offset:offset + size]
    if outer[:8] != b"SutureHP":
        raise FormatError("the .suture section lacks its magic")
    version, flags, _ = struct.unpack_from("<HHI", outer, 8)
    if version not in VERSIONS:
        raise FormatError(f"the .suture section has version {version}; this reader knows {VERSIONS}")
    symbols, strings = sections[".symtab"], sections[".strtab"]
    read_body(Reader(unzstd(outer[16:]) if flags & 1 else outer[16:]), image, lambda n: symbol_name(data, symbols, strings, n))
    return image


def symbol_name(data, symbols, strings, number):
    (name,) = struct.unpack_from("<I", data, symbols[0] + 24 * number)
    start = strings[0] + name
    return data[start:data.index(b"\0", start)].decode(errors="replace")


def read_body(body, image, name_of_symbol):
    body.take(3)
    body.take(body.unsigned())  # id of the base
    body.take(32)               # its digest
    span_begin = body.unsigned()
    for _ in range(3):
        body.unsigned()         # size of the span; place and size of .eh_frame
    body.text()
    image.base_path = body.text()
    for kind in range(5):
        at = 0
        for _ in range(body.unsigned()):
            at += body.unsigned()
            image.fixups.append((at, kind))
            if kind == IMPORT_ABS64:
                body.unsigned()
    for _ in range(body.unsigned()):
        body.byte(), body.text(), body.text()
    at = span_begin
    for _ in range(body.unsigned()):
        form = body.byte()
        at += body.signed()
        size = body.unsigned()
        expected = body.take(32 if form == FORM_DIGEST else size)
        image.validations.append(Validation(at, size, form, expected, body.take(size) if form == FORM_MASKED else b""))
    at = span_begin
    for _ in range(body.unsigned()):
        number = body.unsigned()
        name = body.text() if number == 0 else name_of_symbol(number)
        at += body.signed()
        site = at + body.unsigned()
        body.unsigned()         # room
        image.redirects.append(Redirect(name, at, site, body.unsigned(), body.unsigned()))
        for _ in range(body.unsigned()):
            body.signed(), body.unsigned()
    while body.at != len(body.data):  # tagged fields, of version 2: nothing here depends on what they say
        body.unsigned()
        body.take(body.unsigned())


def expected_code(image, base_bias, patch_bias):
    """The code segment as it must be in memory, and the places in it that only the process knows (imports)."""
    code, unknown = bytearray(image.code), []
    for place, kind in image.fixups:
        width = 4 if kind in (BASE_REL32, SELF_ABS32) else 8
        if place + width > len(code):
            continue  # in the data segments
        if kind == IMPORT_ABS64:
            unknown.append(range(place, place + 8))
            continue
        change = {BASE_REL32: base_bias - patch_bias, BASE_ABS64: base_bias, SELF_ABS64: patch_bias, SELF_ABS32: patch_bias}[kind]
        value = int.from_bytes(code[place:place + width], "little") + change
        code[place:place + width] = (value % (1 << (8 * width))).to_bytes(width, "little")
    return bytes(code), unknown
