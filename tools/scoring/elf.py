"""The little of ELF that scoring needs: which files are linked, what they are, and where they are loaded."""
import os
import struct
from pathlib import Path

PT_LOAD, PT_DYNAMIC, PT_INTERP, PT_NOTE = 1, 2, 3, 4
NT_GNU_BUILD_ID = 3
DT_NULL, DT_STRTAB, DT_SONAME, DT_FLAGS_1 = 0, 5, 14, 0x6FFFFFFB
DF_1_PIE = 0x08000000
ET_EXEC, ET_DYN = 2, 3


def machine_of(head):
    return int.from_bytes(head[18:20], "little")


def linked_files(tree):
    """Programs and shared libraries of this machine's architecture below a folder, by path relative to it. (Guile's compiled
    modules are ELF files for no machine.)"""
    found, ours = [], machine_of(Path("/proc/self/exe").read_bytes()[:20])
    for root, folders, files in os.walk(tree):
        folders[:] = [name for name in folders if name not in (".git", "debian/tmp")]
        for name in files:
            path = Path(root) / name
            if path.is_symlink() or not path.is_file():
                continue
            with open(path, "rb") as file:
                head = file.read(20)
            if head[:5] == b"\x7fELF\x02" and int.from_bytes(head[16:18], "little") in (ET_EXEC, ET_DYN) and machine_of(head) == ours:
                found.append(str(path.relative_to(tree)))
    return sorted(found)


class ElfFile:
    def __init__(self, path):
        self.data = Path(path).read_bytes()
        (self.type,) = struct.unpack_from("<H", self.data, 16)
        (phoff,), (phentsize, phnum) = struct.unpack_from("<Q", self.data, 32), struct.unpack_from("<HH", self.data, 54)
        self.headers = [struct.unpack_from("<IIQQQQQQ", self.data, phoff + i * phentsize) for i in range(phnum)]

    @property
    def loads(self):
        """(offset, address, file bytes, executable) of what is mapped from the file."""
        return [(h[2], h[3], h[5], bool(h[1] & 1)) for h in self.headers if h[0] == PT_LOAD]

    @property
    def has_interpreter(self):
        return any(h[0] == PT_INTERP for h in self.headers)

    @property
    def build_id(self):
        """Empty where there is none."""
        for kind, _, at, _, _, size, _, _ in self.headers:
            end = at + size
            while kind == PT_NOTE and at + 12 <= end:
                name_bytes, value_bytes, note = struct.unpack_from("<III", self.data, at)
                name, value = at + 12, at + 12 + (name_bytes + 3) // 4 * 4
                if note == NT_GNU_BUILD_ID and self.data[name:name + name_bytes] == b"GNU\0":
                    return self.data[value:value + value_bytes].hex()
                at = value + (value_bytes + 3) // 4 * 4
        return ""

    def dynamic(self):
        for kind, _, offset, _, _, size, _, _ in self.headers:
            if kind == PT_DYNAMIC:
                entries = [struct.unpack_from("<qQ", self.data, at) for at in range(offset, offset + size, 16)]
                return {tag: value for tag, value in entries if tag != DT_NULL}
        return {}

    def offset_of(self, address):
        for offset, start, size, _ in self.loads:
            if start <= address < start + size:
                return offset + address - start
        return None

    @property
    def soname(self):
        entries = self.dynamic()
        if DT_SONAME not in entries:
            return None
        at = self.offset_of(entries[DT_STRTAB]) + entries[DT_SONAME]
        return self.data[at:self.data.index(b"\0", at)].decode()

    @property
    def is_program(self):
        if self.type == ET_EXEC:
            return True
        # libc.so.6 and the like have an interpreter too; a PIE says what it is.
        return self.has_interpreter and bool(self.dynamic().get(DT_FLAGS_1, 0) & DF_1_PIE)


def is_library(path):
    return not ElfFile(path).is_program
