"""A real process that has an image mapped: the program itself, or one that opened the library, held before its own code runs."""
import os
import re
import select
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from scoring import elf

START_SECONDS, END_SECONDS = 30, 15
PAGE = 4096
# LD_BIND_NOW below: a slot that the loader binds at the first call is no change that a patch makes.
NO_RSEQ = "glibc.pthread.rseq=0"  # the kernel writes the processor's number there: memory that changes by itself
READ_SYSCALL = "0"  # x86-64
NEUTRAL_PROGRAM = "/bin/true"
NOT_COMPARED = ("[stack]", "[vvar]", "[vvar_vclock]", "[vdso]", "[vsyscall]")


class NotLoaded(Exception):
    """The image cannot be brought into a process here."""

    def __init__(self, message):
        super().__init__(message)
        symbol = re.search(r"undefined symbol: ([A-Za-z0-9_]+)", message)
        self.missing_symbol = symbol and symbol[1]


@dataclass(frozen=True)
class Mapping:
    begin: int
    end: int
    access: str
    offset: int
    path: str


class Held:
    """Started and held; a context manager that ends what it started."""

    def __init__(self, hold_library, program, arguments=(), opens=(), library_path="", folder="/"):
        here, there = os.pipe(), os.pipe()  # to the program, from the program
        environment = {**os.environ, "LD_PRELOAD": str(hold_library), "SCORE_HOLD": f"{here[0]}:{there[1]}", "GLIBC_TUNABLES": NO_RSEQ, "LD_BIND_NOW": "1",
                       "SCORE_OPEN": ":".join(map(str, opens)), "LD_LIBRARY_PATH": str(library_path), "HOME": str(folder), "LC_ALL": "C"}
        self.process = subprocess.Popen([str(program), *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        env=environment, pass_fds=(here[0], there[1]), cwd=folder, start_new_session=True)
        os.close(here[0]), os.close(there[1])
        self._go, self._said = here[1], there[0]
        self.pid = self.process.pid
        try:
            self._wait_until_held(program)
        except BaseException:
            self.close()
            raise

    def _wait_until_held(self, program):
        ready, _, _ = select.select([self._said], [], [], START_SECONDS)
        said = os.read(self._said, 4096).decode(errors="replace") if ready else ""
        if said == "R":
            return self._wait_until_it_reads(program)
        if said.startswith("E"):
            raise NotLoaded(said[1:])
        self.process.kill()
        output = self.process.communicate()[0].decode(errors="replace").strip()
        raise NotLoaded(f"{Path(program).name} did not start: {output[-300:] or 'no message'}")

    def _wait_until_it_reads(self, program):
        """It said so a moment before it blocks; from then on nothing in it moves by itself."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            words = Path(f"/proc/{self.pid}/syscall").read_text().split()
            if words[0] == READ_SYSCALL:
                return
            time.sleep(0.001)
        raise NotLoaded(f"{Path(program).name} does not come to rest")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for descriptor in (self._go, self._said):
            if descriptor is not None:
                os.close(descriptor)
        self._go = self._said = None
        try:
            os.killpg(self.pid, signal.SIGKILL)  # its own session: what it started ends with it
        except ProcessLookupError:
            pass
        self.process.stdout.close()
        self.process.wait()

    def finish(self):
        """Lets it run to its end: exit status and output; None when it does not end by itself."""
        os.write(self._go, b"g")
        try:
            output = self.process.communicate(timeout=END_SECONDS)[0]
        except subprocess.TimeoutExpired:
            return None
        return self.process.returncode, output

    # --- memory ---
    def mappings(self):
        found = []
        for line in Path(f"/proc/{self.pid}/maps").read_text().splitlines():
            words = line.split(None, 5)
            begin, end = (int(word, 16) for word in words[0].split("-"))
            found.append(Mapping(begin, end, words[1], int(words[2], 16), words[5] if len(words) > 5 else ""))
        return found

    def read(self, begin, size):
        with open(f"/proc/{self.pid}/mem", "rb", buffering=0) as memory:
            memory.seek(begin)
            data = memory.read(size)
        if len(data) != size:
            raise OSError(f"short read at {begin:#x}")
        return data

    def snapshot(self):
        """All readable memory by mapping, without the stack, on which the borrowed thread worked."""
        return {m: self.read(m.begin, m.end - m.begin) for m in self.mappings() if m.access.startswith("r") and m.path not in NOT_COMPARED}

    def bias(self, image):
        """Run address minus link address of a mapped file."""
        path, loads = os.path.realpath(image), elf.ElfFile(image).loads
        for mapping in self.mappings():
            if mapping.path == path:
                for offset, address, _, _ in loads:
                    if offset - offset % PAGE == mapping.offset:
                        return mapping.begin - (address - address % PAGE)
        raise NotLoaded(f"the process runs, but does not have {path} mapped")


def is_unwinders_flag(mapping, old, new):
    """libgcc's `any_objects_registered` goes from 0 to 1 with the first unwind table that is ever registered, and never back
    (libgcc/unwind-dw2-fde.c)."""
    if "w" not in mapping.access or not Path(mapping.path).name.startswith("libgcc_s.so"):
        return False
    places = [(a, b) for a, b in zip(old, new) if a != b]
    return places == [(0, 1)]


def differences(before, after):
    """What differs between two snapshots, in words; empty: nothing."""
    words = []
    for mapping in before.keys() - after.keys():
        words.append(f"mapping {mapping.begin:#x} {mapping.path} is gone or changed")
    for mapping in after.keys() - before.keys():
        words.append(f"mapping {mapping.begin:#x}-{mapping.end:#x} {mapping.access} {mapping.path} is new")
    for mapping in before.keys() & after.keys():
        if before[mapping] != after[mapping] and not is_unwinders_flag(mapping, before[mapping], after[mapping]):
            at = next(i for i, (a, b) in enumerate(zip(before[mapping], after[mapping])) if a != b)
            words.append(f"{mapping.path or 'anonymous memory'} differs at {mapping.begin + at:#x}")
    return sorted(words)
