"""One package against real processes and files: apply, look at every redirect and validation in the target's memory, take back, compare;
then the same on disk. Nothing of what the tool reports is believed that can be looked at."""
import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

from scoring import elf, hotfile
from scoring.process import NEUTRAL_PROGRAM, Held, NotLoaded, differences

COMMAND_SECONDS, OWN_TEST_SECONDS = 300, 120
JUMP = 0xE9  # jmp rel32
JUMP_BYTES = 5


class Wrong(Exception):
    """Something that was promised does not hold: the worst that can be found here."""


class NotVerified(Exception):
    """The patch was made, but could not be tried on this machine, or was refused when it was applied."""


def check(holds, fact):
    if not holds:
        raise Wrong(fact)


class Suture:
    """The program under test, with keys and records of its own."""

    def __init__(self, program, folder):
        self.program, self.folder = Path(program).resolve(), Path(folder)
        self.environment = {**os.environ, "SUTURE_TRUST_DIR": str(self.folder / "trust"), "SUTURE_STATE_DIR": str(self.folder / "state")}

    def run(self, *words):
        result = subprocess.run([self.program, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.environment,
                                stdin=subprocess.DEVNULL, timeout=COMMAND_SECONDS)
        return result.returncode, result.stdout, result.stderr.strip()

    def asked(self, *words):
        """Must succeed; a refusal is told apart from a failure."""
        status, out, error = self.run(*words)
        if status == 3:
            raise NotVerified(f"suture {words[0]} refused: {error or out.strip()}")
        check(status == 0, f"suture {words[0]} exited with {status}: {error or out.strip()}")
        return out

    def make_key(self):
        """One key for all who work in this folder at the same time."""
        with open(self.folder / "key.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if (self.folder / "trust/score.pub").exists():
                return
            self.asked("keygen", "--output", self.folder / "score", "--force")
            (self.folder / "trust").mkdir(exist_ok=True)
            shutil.copy(self.folder / "score.pub", self.folder / "trust/score.new")
            os.rename(self.folder / "trust/score.new", self.folder / "trust/score.pub")

    def sign(self, package):
        self.asked("sign", package, "--key", self.folder / "score.key")


class Bench:
    """Where the images of one package are tried: they find each other by their sonames."""

    def __init__(self, suture, hold_library, images, folder):
        self.suture, self.hold_library, self.images, self.folder = suture, hold_library, images, Path(folder)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.libraries = self.folder / "lib"
        self.home = self.folder / "home"
        for made in (self.libraries, self.home):
            made.mkdir(parents=True)
        for image in images:
            if soname := elf.ElfFile(image).soname:
                link = self.libraries / soname
                if not link.exists():
                    link.symlink_to(image)

    def start(self, image, arguments=()):
        if elf.ElfFile(image).is_program:
            return Held(self.hold_library, image, arguments, (), self.libraries, self.home)
        try:
            return Held(self.hold_library, NEUTRAL_PROGRAM, (), [image], self.libraries, self.home)
        except NotLoaded as reason:
            return self._start_in_owner(image, reason)

    def _start_in_owner(self, image, reason):
        """A plugin refers to symbols of the program or library that loads it: bring it into that one."""
        for owner in self.images if reason.missing_symbol else []:
            if owner != image and defines(owner, reason.missing_symbol):
                if elf.ElfFile(owner).is_program:
                    return Held(self.hold_library, owner, (), [image], self.libraries, self.home)
                return Held(self.hold_library, NEUTRAL_PROGRAM, (), [owner, image], self.libraries, self.home)
        raise reason


def defines(image, symbol):
    shown = subprocess.run(["nm", "-D", "--defined-only", image], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    return any(line.split()[-1].split("@")[0] == symbol for line in shown.splitlines())


def check_validations(held, hot, bias, jumped=()):
    for validation in hot.validations:
        memory = bytearray(held.read(bias + validation.begin, validation.size))
        for site, old in jumped:  # put back what redirects cover: all else must be as it was
            at = site - validation.begin
            for i, byte in enumerate(old):
                if 0 <= at + i < len(memory):
                    memory[at + i] = byte
        check(validation.holds(bytes(memory)), f"the {validation.size} bytes at {validation.begin:#x} are not what the patch was made for")


def check_redirects(held, hot, bias):
    """Each old entry jumps to its new code, and the whole code of the patch lies there as it was linked for this place."""
    patch_bias = None
    for redirect in hot.redirects:
        site = bias + redirect.site
        jump = held.read(site, JUMP_BYTES)
        check(jump[0] == JUMP, f"{redirect.name} has no jump at its entry: {jump.hex()}")
        target = (site + JUMP_BYTES + int.from_bytes(jump[1:], "little", signed=True)) % (1 << 64)
        if patch_bias is None:
            patch_bias = target - redirect.target
        check(target == patch_bias + redirect.target, f"{redirect.name} leads to {target:#x}, not to its new code")
    code, unknown = hotfile.expected_code(hot, bias, patch_bias)
    memory = bytearray(held.read(patch_bias, len(code)))
    for places in unknown:
        check(any(memory[i] for i in places), "an import of the patch was left empty")
        memory[places.start:places.stop] = code[places.start:places.stop]
    start = hotfile.HEADER_BYTES
    check(bytes(memory[start:]) == code[start:], "the patch's code in memory is not what was linked for its place")
    return patch_bias


def try_hot(bench, package, patch_id, image, hot):
    """In memory: gives the stop in microseconds and what is left behind after revert."""
    with bench.start(image) as held:
        bias = held.bias(image)
        check_validations(held, hot, bias)
        old = [(r.site, held.read(bias + r.site, JUMP_BYTES)) for r in hot.redirects]
        before = held.snapshot()
        report = json.loads(bench.suture.asked("apply", package, "--pid", held.pid, "--json"))["results"][0]
        check(report["outcome"] == "applied", f"apply reports {report}")
        check_redirects(held, hot, bias)
        check_validations(held, hot, bias, old)
        bench.suture.asked("revert", patch_id, "--pid", held.pid)
        left = differences(before, held.snapshot())
        check(not left, "revert left the process changed: " + "; ".join(left[:4]))
        return report["stop_us"]


SMOKE_ARGUMENTS = ("--version",)


def smoke(bench, package, image):
    """A program runs to its end from the patched code as it does without; None where that says nothing."""
    if not elf.ElfFile(image).is_program:
        return None
    outcomes = []
    for patched in (False, False, True):
        with bench.start(image, SMOKE_ARGUMENTS) as held:
            if patched:
                bench.suture.asked("apply", package, "--pid", held.pid, "--json")
            outcomes.append(held.finish())
    if outcomes[0] is None or outcomes[0] != outcomes[1]:
        return None  # it waits for work, or says something else each time
    check(outcomes[2] == outcomes[0], f"{image.name} {' '.join(SMOKE_ARGUMENTS)} patched ends with {outcomes[2]}, unpatched with {outcomes[0]}")
    return True


def digest(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


class OwnTest:
    """A quick test that the package brings, run in its build tree against the shipped images: libraries through LD_LIBRARY_PATH,
    programs as $SHIPPED/PATH-IN-TREE."""

    def __init__(self, command, tree, shipped, libraries):
        self.command, self.tree = command, tree
        self.environment = {**os.environ, "SHIPPED": str(shipped), "LD_LIBRARY_PATH": str(libraries), "LC_ALL": "C.UTF-8"}

    def passes(self):
        process = subprocess.Popen(["sh", "-c", self.command], cwd=self.tree, env=self.environment, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            return process.wait(OWN_TEST_SECONDS) == 0
        except subprocess.TimeoutExpired:
            return False
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # and what it left running
            process.wait()


def try_cold(bench, package, patch_id, hot_images, own_test):
    """On disk: fresh processes of the patched files have every redirect; then the files are as before, bit for bit. Gives whether the
    package's own test was passed by the patched files."""
    tested = own_test is not None and own_test.passes()  # one that fails without the patch says nothing
    before = {image: digest(image) for image in hot_images}
    plain = {image: ended(bench, image) for image in hot_images}
    bench.suture.asked("apply", package, "--disk")
    try:
        for image, hot in hot_images.items():
            check(digest(image) != before[image], f"{image.name} is not changed on disk")
            with bench.start(image) as held:
                check_redirects(held, hot, held.bias(image))
            if plain[image] is not None:
                seen = ended(bench, image)
                check(seen == plain[image], f"{image.name} patched on disk ends with {seen}, unpatched with {plain[image]}")
        check(not tested or own_test.passes(), "the package's own test fails with the patched files, and passes without the patch")
    finally:
        bench.suture.asked("revert", patch_id, "--disk")
    for image in hot_images:
        check(digest(image) == before[image], f"{image.name} is not as before after revert on disk")
    return tested


def ended(bench, image):
    """How the image runs to its end by itself; None where it does not, or not twice alike."""
    outcomes = []
    for _ in range(2):
        with bench.start(image, SMOKE_ARGUMENTS if elf.ElfFile(image).is_program else ()) as held:
            outcomes.append(held.finish())
    return outcomes[0] if outcomes[0] == outcomes[1] else None


def verify(bench, package, patch_id, own_test=None):
    """Everything, for every image of the package. Gives the figures."""
    _, hot_images = hotfile.read_package(package)
    by_path = {Path(path): hot for path, hot in hot_images.items()}
    check(by_path, "the package holds no image")
    stops, smoked = [], 0
    try:
        for image, hot in by_path.items():
            check(hot.redirects, f"the patch of {image.name} redirects nothing")
            stops.append(try_hot(bench, package, patch_id, image, hot))
            smoked += bool(smoke(bench, package, image))
        tested = try_cold(bench, package, patch_id, by_path, own_test)
    except NotLoaded as reason:
        raise NotVerified(str(reason)) from reason
    redirects = sum(len(hot.redirects) for hot in by_path.values())
    validations = sum(len(hot.validations) for hot in by_path.values())
    return {"stop_us": max(stops), "images": len(by_path), "redirects": redirects, "validations": validations, "smoked": smoked,
            "own_test": tested}
