"""What the cases on real software share: fetching what Debian ships, running suture, starting programs and loads, checking facts.

A case is a folder with a case.py, which calls `main(function)`; the function gets a `Case`, shows one fact after the other with
`case.check`, and returns. Exit status: 0 all facts held, 1 one did not (its working folder is kept), 77 it could not be tried here.

Nothing is installed: programs run from a private folder under build/, on a unix socket or a loopback port of their own, and every
process that a case starts is ended by its pid when the case ends, however it ends.
"""
import contextlib
import hashlib
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
HERE = Path(__file__).resolve().parent
SKIPPED = 77
WAIT_SECONDS = 30


class Failed(Exception):
    """A fact that was promised does not hold."""


class Skip(Exception):
    """The case cannot be tried on this machine."""


def say(text=""):
    print(text, flush=True)


class Load:
    """load.py in its own process, from its first round until `finish`."""

    def __init__(self, case, words):
        self.process = subprocess.Popen([sys.executable, str(HERE / "load.py"), *map(str, words)], stdout=subprocess.PIPE, text=True)
        case.on_exit(self.process.kill)
        line = self.process.stdout.readline()
        if line.strip() != "ready":
            raise Failed("the load did not start")

    def advance(self):
        """Returns when the load has done some more rounds, all of them after this call began."""
        self.process.send_signal(signal.SIGUSR1)
        if self.process.stdout.readline().strip() != "advanced":
            raise Failed("the load ended before its time")

    def finish(self):
        self.process.send_signal(signal.SIGTERM)
        output = self.process.communicate(timeout=WAIT_SECONDS)[0]
        if not output.strip():
            raise Failed(f"the load ended without a report (exit status {self.process.returncode})")
        return json.loads(output)


class Case:
    def __init__(self, name, folder=None, narrate=False):
        self.name, self.narrate = name, narrate
        self.suture_program = Path(os.environ.get("SUTURE", ROOT / "build/release/suture"))
        self.folder = folder or ROOT / "build/real" / name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.facts = 0
        self._exit = contextlib.ExitStack()
        self.environment = {**os.environ, "SUTURE_TRUST_DIR": str(self.folder / "trust"), "SUTURE_STATE_DIR": str(self.folder / "state")}
        if not self.suture_program.exists():
            raise Skip(f"{self.suture_program} is not built")

    # --- facts ---
    def check(self, holds, fact, seen=""):
        if not holds:
            raise Failed(f"{fact}" + (f"; seen: {seen}" if seen != "" else ""))
        self.facts += 1
        say(f"  ok  {fact}")

    def heading(self, text):
        say(f"\n=== {text}" if self.narrate else f"--- {text}")

    # --- commands ---
    def run(self, words, expect=0, show=None, **options):
        """Runs a program; an exit status other than `expect` fails the case with what the program said."""
        words = [str(w) for w in words]
        if show if show is not None else self.narrate:
            say("  $ " + self.short(shlex.join(words)))
        # A reader at a terminal sees the progress of what takes long.
        watched = self.narrate and sys.stderr.isatty()
        result = subprocess.run(words, stdout=subprocess.PIPE, stderr=None if watched else subprocess.PIPE, text=True, env=self.environment,
                                stdin=subprocess.DEVNULL, **options)
        if expect is not None and result.returncode != expect:
            raise Failed(f"{self.short(shlex.join(words))} exited with {result.returncode} instead of {expect}:\n{result.stdout}{result.stderr or ''}".rstrip())
        return result

    def short(self, text):
        return text.replace(str(self.suture_program), "suture").replace(str(self.folder) + "/", "").replace(str(ROOT) + "/", "")

    def suture(self, *words, expect=0, **options):
        """Runs suture with its output for people, which is printed when the case narrates."""
        result = self.run([self.suture_program, *words], expect=expect, **options)
        if self.narrate:
            for line in (result.stdout + (result.stderr or "")).rstrip().splitlines():
                say("    " + self.short(line))
        return result

    def suture_json(self, *words, expect=0):
        result = self.run([self.suture_program, *words, "--json"], expect=expect)
        return json.loads(result.stdout)

    # --- processes ---
    def on_exit(self, function, *arguments):
        self._exit.callback(function, *arguments)

    def start(self, words, log, **options):
        """Starts a program that ends with the case."""
        with open(log, "wb") as output:
            process = subprocess.Popen([str(w) for w in words], stdin=subprocess.DEVNULL, stdout=output, stderr=output, **options)
        # Masters clean up on SIGTERM; a program that does not end in time is killed.
        self.on_exit(self.end, process)
        return process

    @staticmethod
    def end(process):
        if process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(WAIT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def wait_for(self, what, is_true):
        """Polls until is_true() gives something true; used only for what announces itself in no other way."""
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, AssertionError):
                if value := is_true():
                    return value
            time.sleep(0.02)
        raise Failed(f"waited {WAIT_SECONDS} s for {what}")

    def load(self, *words):
        return Load(self, words)

    def check_load(self, tally):
        self.check(tally["errors"] == 0 and tally["reconnects"] == 0 and tally["probe"]["old_after_new"] == 0,
                   f"the load had {tally['requests']} answers, each right: 0 errors, 0 reconnects "
                   f"(slowest round {tally['longest_round_ms']} ms)", tally)

    # --- what Debian ships ---
    def debian_binaries(self, packages, version, into):
        """Unpacks binary packages of one version into a private folder, anew each time: an earlier run may have left a file patched."""
        into = fresh(into)
        download = into.with_name(into.name + ".debs")
        download.mkdir(parents=True, exist_ok=True)
        for package in packages:
            if not list(download.glob(f"{package}_*.deb")):
                self.fetch(["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", f"{package}={version}"], download)
        for package in packages:
            self.run(["dpkg-deb", "-x", *download.glob(f"{package}_*.deb"), into], show=False)
        return into

    def debian_source(self, package, version, into):
        """The source of one version, with its patches applied, as its binaries were built from."""
        into = Path(into)
        complete = into.with_name(into.name + ".complete")  # beside the tree: within, it would be part of the source
        if complete.exists():
            return into
        shutil.rmtree(into, ignore_errors=True)
        download = into.with_name(into.name + ".dsc")
        download.mkdir(parents=True, exist_ok=True)
        if not list(download.glob("*.dsc")):
            self.fetch(["apt-get", "-q", "-o", "APT::Sandbox::User=root", "source", "--download-only", "--only-source", f"{package}={version}"], download)
        self.run(["dpkg-source", "--no-check", "-x", *download.glob("*.dsc"), into], show=False)
        # Both trees must look alike but for the fix; quilt's bookkeeping does not.
        shutil.rmtree(into / ".pc", ignore_errors=True)
        complete.touch()
        return into

    def fetch(self, words, folder):
        result = subprocess.run(words, cwd=folder, capture_output=True, text=True, env=self.environment)
        if result.returncode != 0:
            last = (result.stderr.strip() or "no message").splitlines()[-1]
            raise Skip(f"{shlex.join(words)} failed, is there a network and does Debian still serve it? {last}")

    def built_as_shipped(self, pre, command, output, name):
        """The image as a distribution would ship it: an ordinary build at another place, without Suture's wrapper, then stripped. The
        build is kept; what is given is a copy of its own."""
        pristine, tree = self.folder / "pristine" / name, self.folder / "shipped-build"
        if not pristine.exists():
            self.heading("building the image to be patched")
            shutil.rmtree(tree, ignore_errors=True)
            self.run(["cp", "-a", pre, tree])
            self.run(["sh", "-c", command], cwd=tree)
            pristine.parent.mkdir(exist_ok=True)
            self.run(["strip", "--strip-unneeded", "-o", pristine, tree / output])
        shipped = fresh(self.folder / "shipped") / name
        shutil.copy(pristine, shipped)
        return shipped

    def fix_trees(self, package, version, fix):
        """Source before and after one fix of ../shared/corpus, named by its CVE or its patch."""
        corpus = Path(os.environ.get("SUTURE_CORPUS", ROOT.parent / "shared/corpus"))
        if not (corpus / "fix-trees").exists():
            raise Skip(f"{corpus}/fix-trees is absent (set SUTURE_CORPUS to its folder)")
        trees = self.folder / "trees"
        if not (trees / ".complete").exists():
            shutil.rmtree(trees, ignore_errors=True)
            rows = [line.split("\t") for line in (corpus / "open.tsv").read_text().splitlines()]
            patch = next((row[2] for row in rows if row[0] == package and row[1] == version and fix in (row[2], *row[3].split(","))), None)
            if patch is None:
                raise Skip(f"{corpus}/open.tsv has no row for {package} {version} {fix}")
            self.run([corpus / "fix-trees", package, version, patch, trees])
            (trees / ".complete").touch()
        return trees / "pre", trees / "post"

    # --- packages ---
    def sign(self, package):
        """Signs with a key of this case, which its trust folder holds."""
        trust = self.folder / "trust"
        if not (self.folder / "demo.key").exists() or not (trust / "demo.pub").exists():
            self.suture("keygen", "--output", self.folder / "demo", "--force")
            trust.mkdir(exist_ok=True)
            shutil.copy(self.folder / "demo.pub", trust / "demo.pub")
        self.suture("sign", package, "--key", self.folder / "demo.key")

    def apply(self, package, pids, options=()):
        """Applies to all the pids at once and gives the report by pid."""
        words = [w for pid in pids for w in ("--pid", pid)]
        report = self.suture_json("apply", package, *words, *options)
        by_pid = {r["pid"]: r for r in report["results"]}
        for pid in pids:
            self.check(by_pid.get(pid, {}).get("outcome") == "applied", f"{package.name} is applied to pid {pid} ({by_pid.get(pid, {}).get('comm')}), "
                       f"stopped for {by_pid.get(pid, {}).get('stop_us')} us", report)
        return by_pid

    def revert(self, patch, pids):
        self.suture_json("revert", patch, *[w for pid in pids for w in ("--pid", pid)])


def mappings(pid):
    return Path(f"/proc/{pid}/maps").read_text().splitlines()


def fresh(folder):
    shutil.rmtree(folder, ignore_errors=True)
    Path(folder).mkdir(parents=True)
    return Path(folder)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def sha256_of(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def main(run, name, folder=None, narrate=False):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the processes of the case are ended
    try:
        case = Case(name, folder, narrate)
    except Skip as reason:
        say(f"SKIPPED {name}: {reason}")
        return SKIPPED
    start = time.monotonic()
    try:
        with case._exit:
            run(case)
        say(f"passed {name}: {case.facts} facts in {time.monotonic() - start:.0f} s")
        return 0
    except Skip as reason:
        say(f"SKIPPED {name}: {reason}")
        return SKIPPED
    except Failed as error:
        say(f"FAILED {name}: {error}\n  working folder: {case.folder}\n  again: {sys.executable} {Path(sys.argv[0]).resolve()}")
        return 1
