"""One package's rows, one after the other: source, build as shipped, `suture build`, and the live checks."""
import fcntl
import json
import os
import re
import resource
import shutil
import subprocess
import threading
import time
from pathlib import Path

from scoring import rows as outcomes
from scoring import elf, hotfile, live, plain, shipped
from scoring.source import Source, SourceError

TOOLS = Path(__file__).resolve().parents[1]
BUILD_SECONDS = 7200
REFUSED_STATUS = 3
NOT_SHIPPED = re.compile(r"(^|/)(tests?|examples?|contrib|fuzz|conftest|debian)(/|$)")
KIB_PER_MIB = 1024


class Setup:
    """What all packages of a run share."""

    def __init__(self, options):
        self.folder = Path(options.output).resolve()
        self.state = outcomes.State(self.folder)
        self.suture = live.Suture(options.suture, self.folder)
        self.suture.make_key()
        self.target, self.jobs, self.build_jobs, self.keep = options.target, options.jobs, options.build_jobs, options.keep
        self.decisions = outcomes.read_decisions(options.allowances) if options.allowances else {}
        self.author_patches = outcomes.read_author_patches(options.author_patches) if options.author_patches else {}
        self.own_tests = outcomes.read_own_tests(options.own_tests) if options.own_tests else {}
        self.once_tools = plain.write_once_tools(self.folder / "bin")
        self.hold_library = self.folder / "hold.so"
        subprocess.run(["cc", "-O1", "-Wall", "-shared", "-fPIC", "-Wl,-z,now", "-o", self.hold_library, Path(__file__).with_name("hold.c")], check=True)


def blank_result(row):
    return {"package": row.package, "version": row.version, "patch": row.patch, "cve": row.cve, "class": row.kind}


class Package:
    """Raises SourceError where none of its rows can be run."""

    def __init__(self, setup, name, version):
        self.setup, self.name, self.version = setup, name, version
        self.folder = setup.folder / "work" / name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.lock = open(self.folder / "lock", "w")  # another run may be at work in here: its rows come first
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        self._install_build_dependencies()
        plain.write_once_tools(setup.once_tools)  # again: some came with the dependencies
        self.source = Source(name, version, self.folder / "source")
        self.needs_whole_series = False
        self.target_note = self.folder / "target"  # what the tree was built by: a later run must not take its leftovers for another's work
        self.target = self.target_note.read_text() if setup.target == plain.BUILD_TARGET and self.target_note.exists() else setup.target
        self.plain = plain.PlainBuild(self.folder, setup.once_tools, setup.build_jobs)
        self.installed = shipped.installed_files(name, self.folder / "debs")

    def _install_build_dependencies(self):
        done = subprocess.run([TOOLS / "install-deps", "--source", self.name], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            raise SourceError(f"its build dependencies are not to be had: {done.stderr.strip()[-300:]}")

    def in_series_order(self, rows):
        def key(row):
            try:
                return self.source.place(row)
            except SourceError:
                return -1
        return sorted(rows, key=key)

    def run(self, row):
        """The result of one row: a dictionary for its state file. Never raises for what a row can do wrong."""
        result = {**blank_result(row), "source_version": self.source.version, "first_of_package": not (self.folder / "work").exists()}
        started = time.monotonic()
        try:
            self._run(row, result)
        except (SourceError, plain.BuildBroken, subprocess.TimeoutExpired) as error:
            result.update(outcome=outcomes.BROKEN, reason=str(error))
        except live.NotVerified as error:
            result.update(outcome=outcomes.UNVERIFIED, reason=str(error))
        except (live.Wrong, hotfile.FormatError) as error:
            result.update(outcome=outcomes.WRONG, reason=str(error))
        result["row_seconds"] = round(time.monotonic() - started, 1)
        return result

    def _run(self, row, result):
        package = self.folder / f"{row.name}.hotpatch"
        package.unlink(missing_ok=True)
        allowances = self.setup.decisions.get((row.package, row.patch), [])
        allow = [item for item, _ in allowances]
        started = time.monotonic()
        pre, post, linked, anew = self._build_plain(row)
        result["plain_seconds"] = round(time.monotonic() - started, 1)
        images = self._ship(linked)
        made = self._build(row, pre, post, images, package, allow, result)
        if not made and result["outcome"] == outcomes.REFUSED and not result["hazards"] and not anew:
            # Only to be believed of an image that was built from nothing: a make that does not know its headers leaves old code in it.
            linked, _ = self.plain.build(pre, self.target, anew=True)
            images = self._ship(linked)
            made = self._build(row, pre, post, images, package, allow, result)
        if result["first_of_package"]:
            self._note_second_fix(row, pre, images, result)
        variant = self.setup.author_patches.get((row.package, row.patch))
        refusal = None
        if not made and variant and result["outcome"] == outcomes.REFUSED:
            refusal = result["reason"]
            made = self._build(row, pre, self.source.pre_with(variant), images, package, [], result)
        if not made:
            return
        result.pop("reason", None)
        self.setup.suture.sign(package)
        bench = live.Bench(self.setup.suture, self.setup.hold_library, list(images), self.folder / "bench")
        command = self.setup.own_tests.get(row.package)
        own_test = live.OwnTest(command, self.plain.tree, self.folder / "shipped", bench.libraries) if command else None
        result.update(live.verify(bench, package, row.name, own_test))
        manifest, _ = hotfile.read_package(package)
        used = [h for h in manifest["hazards"] if h["allowed"]]
        result["allowed"] = [f"{h['kind']}:{h['item']}" for h in used]
        result.update(self._live_outcome(used, allowances, variant, refusal))
        if not self.setup.keep:
            package.unlink()

    @staticmethod
    def _live_outcome(used, allowances, variant, refusal):
        if refusal:
            return {"outcome": outcomes.AUTHORED, "reason": f"by {variant.parent.name}/{variant.name}; as it is: {refusal}"}
        if used:
            return {"outcome": outcomes.ALLOWED, "reason": "; ".join(evidence for _, evidence in allowances)}
        return {"outcome": outcomes.AUTOMATIC, "reason": ""}

    def _build_plain(self, row):
        """(pre, post, linked files, whether all was built from nothing), of the series as it stood at the fix where it can be built."""
        if not self.needs_whole_series:
            pre, post = self.source.trees(row)
            try:
                return pre, post, *self._build_what_is_shipped(pre)
            except plain.BuildBroken:
                self.needs_whole_series = True
        pre, post = self.source.trees_of_whole_series(row)
        return pre, post, *self._build_what_is_shipped(pre)

    def _build_what_is_shipped(self, pre):
        """Some packages build and install in one step, and link nothing before it."""
        linked, anew = self.plain.build(pre, self.target)
        if self.target != plain.BUILD_TARGET or shipped.choose(self.plain.tree, linked, self.installed):
            return linked, anew
        if linked and not self.installed:
            return linked, anew
        self.target = plain.INSTALL_TARGET
        self.target_note.write_text(self.target)
        return self.plain.build(pre, self.target, anew=True)

    def _ship(self, linked):
        """Stripped copies of what binary packages hold: shipped image -> its output in the build. Of what comes from one link
        (copies, and copies that were stripped in another way) the first that was made."""
        chosen = shipped.choose(self.plain.tree, linked, self.installed)
        if not chosen:  # no binary packages to be had: what does not look like a test
            chosen = [path for path in linked if not NOT_SHIPPED.search(path)]
        if not chosen:
            raise plain.BuildBroken("the build links no program or library that is shipped")
        folder = self.folder / "shipped"
        shutil.rmtree(folder, ignore_errors=True)
        images, seen = {}, set()
        for path in sorted(chosen, key=lambda path: (self.plain.tree / path).stat().st_mtime_ns):
            plain.strip_like_debhelper(self.plain.tree / path, folder / path)
            if (link := elf.ElfFile(folder / path).build_id or live.digest(folder / path)) not in seen:
                images[(folder / path).resolve()] = path
            seen.add(link)
        return images

    def _words(self, row, pre, post, images, package):
        words = ["build", "--pre", pre, "--post", post, "--build", plain.build_command(self.target), "--work", self.folder / "work",
                 "-o", package, "--id", row.name, "--json"]
        for image, output in images.items():
            words += ["--image", f"{image}={output}"]
        return words

    def _note_second_fix(self, row, pre, images, result):
        """What another fix for the very source that was just built costs."""
        other = self.source.another_fix(row)
        if other is None:
            return
        package = self.folder / "second.hotpatch"
        started = Started()
        self._watch(self._words(row, pre, other, images, package))
        started.note(result, "second_fix", self.setup.jobs)
        package.unlink(missing_ok=True)
        shutil.rmtree(other)

    def _build(self, row, pre, post, images, package, allow, result):
        """Runs `suture build`; false when there is no package, and then says in `result` why."""
        words = self._words(row, pre, post, images, package)
        for cve in re.findall(r"[A-Za-z0-9.:_-]+", row.cve):
            words += ["--cve", cve]
        for item in allow:
            words += [f"--allow={item}"]
        started = Started()
        status, report, error, peak_kib = self._watch(words)
        started.note(result, "build", self.setup.jobs)
        result["peak_mib"] = round(peak_kib / KIB_PER_MIB)
        if status == 0:
            self._note_report(report, result)
            return True
        self._note_refusal(status, report.get("error", {}), error, result)
        return False

    def _watch(self, words):
        environment = {**self.setup.suture.environment, **plain.build_environment(self.setup.once_tools, self.setup.build_jobs)}
        environment.update({k: v for k, v in self.setup.suture.environment.items() if k.startswith("SUTURE_")})
        process = subprocess.Popen([self.setup.suture.program, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   env=environment, stdin=subprocess.DEVNULL)
        peak = PeakMemory(process.pid)
        try:
            out, error = process.communicate(timeout=BUILD_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise
        finally:
            peak.stop()
        try:
            report = json.loads(out)
        except ValueError:
            report = {}
        return process.returncode, report, error.strip(), peak.kib

    def _note_report(self, report, result):
        changed = [image for image in report["images"] if image["hot_bytes"]]
        result["compile_seconds"] = round(report["pre_seconds"] + report["post_seconds"], 1)
        result["functions"] = sorted({f["name"] for image in changed for f in image["functions"]})
        result["patched"] = [image["build_output"] for image in changed]
        result["objects_mib"] = round(self._largest_object_set(report) / KIB_PER_MIB / KIB_PER_MIB, 1)
        match = [image["match"] for image in changed]
        result["located"] = round(min(m["located"] / max(1, m["functions"]) for m in match), 4)

    def _largest_object_set(self, report):
        """Bytes of the objects of the image that is linked from most."""
        wanted = {image["build_output"] for image in report["images"]}
        largest = 0
        for record in (self.folder / "work/records").glob("*/*.link.json"):
            link = json.loads(record.read_text())
            if os.path.relpath(link["output"], self.folder / "work/src") in wanted:
                store = self.folder / "work/store"
                files = [store / i["content"][:2] / i["content"][2:] for i in link["inputs"] if i["content"]]
                largest = max(largest, sum(f.stat().st_size for f in files if f.exists()))
        return largest

    @staticmethod
    def _note_refusal(status, error, text, result):
        message = error.get("message") or text or f"suture build ended with status {status} and no word"
        result["reason"] = message
        if status == REFUSED_STATUS and "no change" in message:
            result["outcome"] = outcomes.NO_CHANGE
        elif status == REFUSED_STATUS:
            result["outcome"] = outcomes.REFUSED
            result["hazards"] = re.findall(r"--allow=(\S+)", error.get("next") or message)
        else:
            result["outcome"] = outcomes.BROKEN if "the build command" in message else outcomes.FAILED


class Started:
    """Time from here on, by the clock and of processors. The latter is not what else the machine does, but can be told apart only where
    one package is run at a time."""

    def __init__(self):
        self.clock, self.processor = time.monotonic(), processor_seconds()

    def note(self, result, name, jobs):
        result[f"{name}_seconds"] = round(time.monotonic() - self.clock, 1)
        if jobs == 1:
            result[f"{name}_cpu_seconds"] = round(processor_seconds() - self.processor, 1)


def processor_seconds():
    """Of all processes that were started from here and have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class PeakMemory:
    """The high-water mark of a process's own memory, not of the compilers that it starts."""

    def __init__(self, pid):
        self.kib, self._path, self._end = 0, Path(f"/proc/{pid}/status"), threading.Event()
        self._thread = threading.Thread(target=self._poll, daemon=True)
        self._thread.start()

    def _poll(self):
        while not self._end.wait(0.05):
            try:
                found = re.search(r"^VmHWM:\s+(\d+)", self._path.read_text(), re.M)
            except OSError:
                return
            self.kib = max(self.kib, int(found[1]) if found else 0)

    def stop(self):
        self._end.set()
        self._thread.join()
