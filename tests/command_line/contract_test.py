#!/usr/bin/env python3
"""The command line as its users meet it: exit status, form and words of every outcome, and that a refusal changed nothing.
Usage: contract_test.py SUTURE [unittest arguments]. Root is needed; what this machine cannot do is skipped by name."""
import contextlib
import ctypes
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
SUTURE = ""
WORK = Path()
DONE, FAILED, USAGE, REFUSED, PARTLY = 0, 1, 2, 3, 4


def run(*command, **options):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=120, **options)


def suture(*words, **options):
    environment = dict(os.environ, SUTURE_TRUST_DIR=str(WORK / "trust"), SUTURE_STATE_DIR=str(WORK / "state"))
    return run(SUTURE, *words, env=environment, **options)


def compile_tree(folder, source, change=None):
    folder.mkdir()
    text = (HERE / source).read_text()
    (folder / "program.c").write_text(change(text) if change else text)
    (folder / "Makefile").write_text("program: program.c\n\tcc -g -O2 -o program program.c -Wl,--build-id=sha1\n")
    return folder


def setUpModule():
    global WORK
    WORK = Path(tempfile.mkdtemp(prefix="suture-contract-"))
    pre, post = compile_tree(WORK / "pre", "program_pre.c"), compile_tree(WORK / "post", "program_post.c")
    shipped = WORK / "bin"
    shipped.mkdir()
    subprocess.run(["cp", "-r", str(pre), str(WORK / "ship")], check=True)
    subprocess.run(["make", "-s", "-C", str(WORK / "ship")], check=True)
    subprocess.run(["strip", "-o", str(shipped / "program"), str(WORK / "ship/program")], check=True)
    made = build(WORK / "fix.hotpatch", pre, post)
    assert made.returncode == DONE, made.stderr
    shutil.copy(WORK / "fix.hotpatch", WORK / "unsigned.hotpatch")
    for name in ("key", "stranger"):
        assert suture("keygen", "-o", WORK / name).returncode == DONE
    (WORK / "trust").mkdir()
    shutil.copy(WORK / "key.pub", WORK / "trust")
    assert suture("sign", WORK / "fix.hotpatch", "--key", WORK / "key.key").returncode == DONE


def tearDownModule():
    shutil.rmtree(WORK, ignore_errors=True)


def build(package, pre, post, *more):
    return suture("build", "--pre", pre, "--post", post, "--build", "make", "--image", f"{WORK / 'bin/program'}=program", "-o", package, *more)


class Program:
    """The program, running; `before` is what must not change."""

    def __init__(self, path=None, wrap=()):
        self.process = subprocess.Popen([*wrap, str(path or WORK / "bin/program")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.pid = int(self.process.stdout.readline().split()[1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for pid in {self.pid, self.process.pid}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.communicate()

    def answer(self):
        self.process.stdin.write("x\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def snapshot(self):
        maps = Path(f"/proc/{self.pid}/maps").read_text()
        code = hashlib.sha256()
        with open(f"/proc/{self.pid}/mem", "rb", buffering=0) as memory:
            for line in maps.splitlines():
                fields = line.split()
                if "x" in fields[1] and "vsyscall" not in line:
                    begin, end = (int(word, 16) for word in fields[0].split("-"))
                    memory.seek(begin)
                    code.update(memory.read(end - begin))
        return maps, code.hexdigest(), sorted(os.listdir(f"/proc/{self.pid}/fd"))


def file_snapshot(path):
    info = path.stat()
    return (hashlib.sha256(path.read_bytes()).hexdigest(), info.st_mode, info.st_uid, info.st_gid, info.st_ino, info.st_nlink,
            {name: os.getxattr(path, name) for name in os.listxattr(path)}, sorted(os.listdir(path.parent)))


class Contract(unittest.TestCase):
    def expect(self, done, status, *words):
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        for word in words:
            self.assertIn(word, done.stdout + done.stderr)
        self.assertNotIn("Traceback", done.stderr)
        if status not in (DONE,):
            self.assertTrue(done.stderr.startswith("suture: "), done.stderr)
        return done

    def refuse_apply(self, program, package, *words, more=(), status=REFUSED):
        before = program.snapshot()
        self.expect(suture("apply", package, "--pid", program.pid, *more), status, *words)
        self.assertEqual(program.snapshot(), before)


class Building(Contract):
    def refused(self, change, *words, status=REFUSED, command="make"):
        package = WORK / f"{self._testMethodName}.hotpatch"
        post = compile_tree(WORK / self._testMethodName, "program_pre.c", change)
        done = suture("build", "--pre", WORK / "pre", "--post", post, "--build", command, "--image", f"{WORK / 'bin/program'}=program", "-o", package)
        self.expect(done, status, *words)
        self.assertFalse(package.exists())

    def test_a_changed_initial_value_is_refused_by_name_and_leaves_no_package(self):
        self.refused(lambda text: text.replace("seed = 3", "seed = 4"), "data seed", "--allow=data:seed")

    def test_a_fix_that_changes_nothing_is_refused(self):
        self.refused(lambda text: "/* more words */\n" + text, "no change")

    def test_two_names_of_one_file_are_refused_before_anything_is_built(self):
        package, link = WORK / "twice.hotpatch", WORK / "bin/other-name"
        shutil.copy(WORK / "bin/program", link)
        self.addCleanup(link.unlink)
        done = suture("build", "--pre", WORK / "pre", "--post", WORK / "post", "--build", f"touch {WORK / 'was-built'}", "--image", f"{WORK / 'bin/program'}=program",
                      "--image", f"{link}=program", "-o", package)
        self.assertEqual((done.returncode, package.exists(), (WORK / 'was-built').exists()), (REFUSED, False, False), done.stderr)
        self.assertIn(f"{link} and {WORK / 'bin/program'} are the same file", done.stderr)

    def test_a_build_that_fails_is_a_failure(self):
        self.refused(lambda text: text.replace("* 31", "* 37"), status=FAILED, command="false")

    def test_an_image_of_another_source_is_refused(self):
        package = WORK / "other.hotpatch"
        done = suture("build", "--pre", WORK / "pre", "--post", WORK / "post", "--build", "make", "--image", "/bin/cat=program", "-o", package)
        self.expect(done, REFUSED)
        self.assertFalse(package.exists())

    def test_words_that_make_no_sense_are_a_usage_error(self):
        for words in (["build"], ["apply"], ["apply", WORK / "fix.hotpatch"], ["apply", WORK / "fix.hotpatch", "--pid", "x"],
                      ["apply", WORK / "fix.hotpatch", "--pid", "1", "--disk"], ["revert", "fix"], ["status", "--nonsense"], ["nonsense"]):
            self.expect(suture(*words), USAGE)


class Packages(Contract):
    def test_inspect_says_what_is_in_a_package_as_json(self):
        said = json.loads(self.expect(suture("inspect", WORK / "fix.hotpatch", "--json"), DONE).stdout)
        self.assertEqual(said["id"], "fix")
        self.assertEqual([function["name"] for function in said["images"][0]["functions"]], ["answer"])

    def test_every_altered_byte_region_and_every_truncation_is_refused(self):
        whole = (WORK / "fix.hotpatch").read_bytes()
        bad = WORK / "bad.hotpatch"
        with Program() as program:
            before = program.snapshot()
            for number in range(24):
                at = number * (len(whole) - 1) // 23
                for content in (whole[:at], whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1:]):
                    bad.write_bytes(content)
                    done = suture("apply", bad, "--pid", program.pid)
                    self.expect(done, REFUSED)
                    self.assertEqual(len(re.findall("^suture: ", done.stderr, re.M)), 1, done.stderr)
                    self.assertIn(suture("verify", bad).returncode, (FAILED, REFUSED))
            self.assertEqual(program.snapshot(), before)

    def test_altered_content_that_nobody_signed_is_refused_whatever_it_is(self):
        whole = (WORK / "unsigned.hotpatch").read_bytes()
        bad = WORK / "bad-unsigned.hotpatch"
        with Program() as program:
            before = program.snapshot()
            for number in range(24):
                at = number * (len(whole) - 1) // 23
                bad.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1:])
                done = suture("apply", bad, "--pid", program.pid, "--allow-unsigned", "--dry-run")
                # A byte of the description may be anything; all else is covered by digests.
                self.assertIn(done.returncode, (DONE, REFUSED), done.stderr)
            self.assertEqual(program.snapshot(), before)

    def test_a_key_that_is_not_trusted_and_no_signature_are_refused(self):
        other = WORK / "stranger.hotpatch"
        shutil.copy(WORK / "unsigned.hotpatch", other)
        self.expect(suture("sign", other, "--key", WORK / "stranger.key"), DONE)
        with Program() as program:
            self.refuse_apply(program, other, "not trusted")
            self.refuse_apply(program, WORK / "unsigned.hotpatch", "--allow-unsigned")
            self.refuse_apply(program, WORK / "nothing.hotpatch", "nothing.hotpatch", status=FAILED)


class Hot(Contract):
    def test_apply_status_and_revert_in_the_agreed_form(self):
        with Program() as program:
            before = program.snapshot()
            self.assertEqual(program.answer(), "answer=1")
            said = json.loads(self.expect(suture("apply", WORK / "fix.hotpatch", "--pid", program.pid, "--json"), DONE).stdout)
            self.assertEqual(set(said), {"patch", "results"})
            self.assertEqual(said["patch"], "fix")
            result = said["results"][0]
            # More may be told, but these are what others script against.
            self.assertLessEqual({"pid", "comm", "outcome", "functions", "stop_us", "attempts", "reason"}, set(result))
            self.assertEqual((result["pid"], result["comm"], result["outcome"], result["functions"]), (program.pid, "program", "applied", ["answer"]))
            self.assertGreaterEqual(result["attempts"], 1)
            self.assertEqual(program.answer(), "answer=2")
            again = json.loads(self.expect(suture("apply", WORK / "fix.hotpatch", "--pid", program.pid, "--json"), DONE).stdout)
            self.assertEqual(again["results"][0]["outcome"], "already")
            shown = json.loads(self.expect(suture("status", "--pid", program.pid, "--json"), DONE).stdout)
            self.assertEqual([patch["id"] for patch in shown["processes"][0]["patches"]], ["fix"])
            self.assertIn(program.pid, [entry["pid"] for entry in json.loads(suture("status", "--json").stdout)["processes"]])
            self.expect(suture("revert", "fix", "--pid", program.pid), DONE)
            self.assertEqual(program.answer(), "answer=1")
            self.assertEqual(program.snapshot(), before)
            self.expect(suture("revert", "fix", "--pid", program.pid), REFUSED, "is not in process")

    def test_a_dry_run_changes_nothing(self):
        with Program() as program:
            self.refuse_apply(program, WORK / "fix.hotpatch", more=("--dry-run",), status=DONE)

    def test_some_patched_and_some_not_is_a_status_of_its_own(self):
        with Program() as first, Program() as second:
            gone = subprocess.Popen(["true"])
            gone.wait()
            done = self.expect(suture("apply", WORK / "fix.hotpatch", "--json", "--pid", first.pid, gone.pid, second.pid), PARTLY, "is gone")
            self.assertEqual([result["outcome"] for result in json.loads(done.stdout)["results"]], ["applied", "refused", "applied"])
            self.assertEqual((first.answer(), second.answer()), ("answer=2", "answer=2"))
            self.expect(suture("apply", WORK / "fix.hotpatch", "--pid", gone.pid), REFUSED, "is gone")

    def test_a_process_that_runs_something_else_is_refused(self):
        other = subprocess.Popen(["sleep", "60"])
        self.expect(suture("apply", WORK / "fix.hotpatch", "--pid", other.pid), REFUSED, "does not run")
        self.expect(suture("apply", WORK / "fix.hotpatch", "--pid", 2), REFUSED)
        other.kill()
        other.wait()

    def test_a_thread_is_refused_and_its_process_named(self):
        thread = subprocess.Popen([sys.executable, "-c", "import threading, time\nt = threading.Thread(target=time.sleep, args=(60,))\nt.start()\n"
                                   "print(t.native_id, flush=True)"], stdout=subprocess.PIPE, text=True)
        tid = int(thread.stdout.readline())
        self.expect(suture("apply", WORK / "fix.hotpatch", "--pid", tid), REFUSED, f"{tid} is a thread of process {thread.pid}")
        thread.kill()
        thread.communicate()

    def test_numbers_of_another_pid_namespace_are_refused(self):
        with Program() as program:
            before = program.snapshot()
            # A new pid namespace that still has the /proc of this one.
            done = run("unshare", "--pid", "--fork", SUTURE, "apply", WORK / "fix.hotpatch", "--allow-unsigned", "--pid", program.pid)
            if "unshare failed" in done.stderr:
                self.skipTest("no pid namespaces here")
            self.expect(done, REFUSED, "another pid namespace")
            self.assertEqual(program.snapshot(), before)

    def test_runs_at_the_same_time_take_turns(self):
        with Program() as program:
            before = program.snapshot()
            environment = dict(os.environ, SUTURE_TRUST_DIR=str(WORK / "trust"), SUTURE_STATE_DIR=str(WORK / "state"))

            def at_once(*words):
                runs = [subprocess.Popen([SUTURE, *map(str, words), "--pid", str(program.pid)], env=environment, text=True,
                                         stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(6)]
                return [(*each.communicate(timeout=120), each.returncode) for each in runs]

            for _ in range(5):
                runs = at_once("apply", WORK / "fix.hotpatch")
                self.assertEqual([status for *_, status in runs], [DONE] * 6, runs)
                self.assertEqual(sum(" applied: " in said for said, *_ in runs), 1, runs)
                self.assertEqual(program.answer(), "answer=2")
                runs = at_once("revert", "fix")
                self.assertEqual(sorted(status for *_, status in runs), [DONE] + [REFUSED] * 5, runs)
                self.assertEqual(program.answer(), "answer=1")
            self.assertEqual(program.snapshot(), before)

    def test_a_traced_process_is_refused_and_the_tracer_named(self):
        for name, command in (("strace", ["strace", "-q", "-o", "/dev/null", "-p"]), ("gdb", ["gdb", "-q", "-nx", "-p"])):
            if shutil.which(name) is None:
                print(f"SKIPPED: {name} is not installed")
                continue
            with Program() as program:
                tracer = subprocess.Popen([*command, str(program.pid)], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                while f"TracerPid:\t{tracer.pid}\n" not in Path(f"/proc/{program.pid}/status").read_text():
                    self.assertIsNone(tracer.poll())
                    time.sleep(0.01)
                self.expect(suture("apply", WORK / "fix.hotpatch", "--pid", program.pid), REFUSED, "already traced by process", name)
                tracer.kill()
                tracer.communicate()

    def test_a_stopped_process_is_patched_and_stays_stopped(self):
        with Program() as program:
            os.kill(program.pid, signal.SIGSTOP)
            os.waitpid(program.process.pid, os.WUNTRACED)
            self.expect(suture("apply", WORK / "fix.hotpatch", "--pid", program.pid), DONE)
            for _ in range(1000):
                if re.search(r"State:\tT", Path(f"/proc/{program.pid}/status").read_text()):
                    break
                time.sleep(0.001)
            self.assertRegex(Path(f"/proc/{program.pid}/status").read_text(), r"State:\tT")
            os.kill(program.pid, signal.SIGCONT)
            self.assertEqual(program.answer(), "answer=2")

    def test_the_landing_pad_of_indirect_calls_is_kept(self):
        pad, program = b"\xf3\x0f\x1e\xfa", WORK / "bin/pad"
        trees = {name: compile_tree(WORK / f"pad-{name}", f"program_{name}.c") for name in ("pre", "post")}
        shutil.copytree(trees["pre"], WORK / "pad-ship")
        for folder in (*trees.values(), WORK / "pad-ship"):
            makefile = (folder / "Makefile").read_text()
            (folder / "Makefile").write_text(makefile.replace("-g -O2", "-g -O2 -fcf-protection=full"))
        self.assertEqual(run("make", "-s", "-C", WORK / "pad-ship").returncode, DONE)
        at = int(re.search(r"^([0-9a-f]+) T answer$", run("nm", WORK / "pad-ship/program").stdout, re.M).group(1), 16)
        run("strip", "-o", program, WORK / "pad-ship/program")
        self.addCleanup(program.unlink)
        self.expect(suture("build", "--pre", trees["pre"], "--post", trees["post"], "--build", "make", "--image", f"{program}=program",
                           "-o", WORK / "pad.hotpatch"), DONE)
        with Program(program) as running:
            at += int(Path(f"/proc/{running.pid}/maps").read_text().split("-")[0], 16)
            self.expect(suture("apply", WORK / "pad.hotpatch", "--allow-unsigned", "--pid", running.pid), DONE)
            self.assertEqual(running.answer(), "answer=2")
            with open(f"/proc/{running.pid}/mem", "rb", buffering=0) as memory:
                memory.seek(at)
                self.assertEqual(memory.read(5), pad + b"\xe9")
            self.expect(suture("revert", "pad", "--pid", running.pid), DONE)
            self.assertEqual(running.answer(), "answer=1")

    def test_a_jump_of_somebody_else_is_refused_and_shown(self):
        symbols = run("nm", WORK / "ship/program").stdout
        at = int(re.search(r"^([0-9a-f]+) T answer$", symbols, re.M).group(1), 16)
        with Program() as program:
            base = int(Path(f"/proc/{program.pid}/maps").read_text().split("-")[0], 16)
            with open(f"/proc/{program.pid}/mem", "r+b", buffering=0) as memory:
                memory.seek(base + at)
                memory.write(b"\xe9\x11\x22\x33\x00")
            self.refuse_apply(program, WORK / "fix.hotpatch", "e911223300", "another patcher")

    def test_a_32_bit_process_is_refused(self):
        source, thing = WORK / "small.s", WORK / "small"
        source.write_text(".globl _start\n_start: mov $29, %eax\n int $0x80\n jmp _start\n")  # pause()
        run("as", "--32", "-o", WORK / "small.o", source)
        run("ld", "-m", "elf_i386", "-o", thing, WORK / "small.o")
        try:
            process = subprocess.Popen([str(thing)])
        except OSError as problem:
            self.skipTest(f"this kernel runs no 32-bit programs: {problem}")
        time.sleep(0.05)
        if process.poll() is not None:
            self.skipTest("this kernel runs no 32-bit programs")
        self.expect(suture("apply", WORK / "fix.hotpatch", "--pid", process.pid), REFUSED, "64-bit")
        process.kill()
        process.wait()

    def test_another_user_may_not(self):
        if shutil.which("setpriv") is None:
            self.skipTest("setpriv is not installed")
        with Program() as program, tempfile.TemporaryDirectory() as open_folder:
            os.chmod(open_folder, 0o755)
            for name in ("fix.hotpatch", "key.pub"):
                shutil.copy(WORK / name, open_folder)
            tool = Path(open_folder) / "suture"
            shutil.copy(SUTURE, tool)
            before = program.snapshot()
            done = run("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", tool, "apply", Path(open_folder) / "fix.hotpatch",
                       "--allow-unsigned", "--pid", program.pid)
            self.expect(done, REFUSED, "no permission")
            self.assertEqual(program.snapshot(), before)


class Cold(Contract):
    def setUp(self):
        self.file = WORK / "bin/program"
        self.before = file_snapshot(self.file)

    def tearDown(self):
        suture("revert", "fix", "--disk")

    def refuse_disk(self, *words, status=REFUSED):
        before = file_snapshot(self.file)
        self.expect(suture("apply", WORK / "fix.hotpatch", "--disk"), status, *words)
        self.assertEqual(file_snapshot(self.file), before)

    def test_the_file_is_patched_keeps_what_it_was_given_and_comes_back_bit_for_bit(self):
        os.chown(self.file, 65534, 65534)
        os.chmod(self.file, 0o4751)
        os.setxattr(self.file, "user.note", b"kept")
        run("setcap", "cap_net_bind_service=ep", self.file)
        before = file_snapshot(self.file)
        self.expect(suture("apply", WORK / "fix.hotpatch", "--disk", "--dry-run"), DONE)
        self.assertEqual(file_snapshot(self.file), before)
        self.expect(suture("apply", WORK / "fix.hotpatch", "--disk"), DONE)
        after = file_snapshot(self.file)
        self.assertNotEqual(after[0], before[0])
        self.assertEqual(after[1:4] + after[5:], before[1:4] + before[5:])
        if shutil.which("eu-elflint"):
            # Notes of other owners are always unknown to it; ours is the only thing that it may find.
            found = run("eu-elflint", "--gnu-ld", "-q", self.file).stdout.splitlines()
            self.assertEqual([line for line in found if "with owner name 'Suture'" not in line], [])
        with Program() as program:
            self.assertEqual(program.answer(), "answer=2")
            self.expect(suture("apply", WORK / "fix.hotpatch", "--pid", program.pid), DONE, "already")
        self.expect(suture("apply", WORK / "fix.hotpatch", "--disk"), DONE, "already")
        shown = json.loads(suture("status", "--json").stdout)
        self.assertEqual([(entry["path"], entry["patch"]) for entry in shown["files"]], [(str(self.file), "fix")])
        self.expect(suture("revert", "fix", "--disk"), DONE)
        self.assertEqual(file_snapshot(self.file), before)
        self.expect(suture("revert", "fix", "--disk"), REFUSED)

    def test_a_file_of_another_build_is_refused(self):
        kept = self.file.read_bytes()
        self.file.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
        self.refuse_disk()
        self.file.write_bytes(kept)

    def test_an_immutable_file_is_refused(self):
        if run("chattr", "+i", self.file).returncode != 0:
            self.skipTest("this file system has no immutable files")
        try:
            self.refuse_disk("immutable")
        finally:
            run("chattr", "-i", self.file)

    def test_a_file_with_a_second_name_is_refused(self):
        other = WORK / "bin/second-name"
        os.link(self.file, other)
        try:
            self.refuse_disk("hard links")
        finally:
            other.unlink()

    @contextlib.contextmanager
    def mounted(self, *words):
        done = run("mount", *words, WORK / "bin")
        if done.returncode != 0:
            self.skipTest(f"cannot mount here: {done.stderr.strip()}")
        try:
            yield
        finally:
            run("umount", WORK / "bin")

    def test_a_read_only_file_system_is_refused(self):
        with self.mounted("--bind", WORK / "bin"):
            run("mount", "-o", "remount,bind,ro", WORK / "bin")
            self.refuse_disk("read-only")

    def test_a_limit_on_the_size_of_files_is_a_failure_that_leaves_the_file(self):
        before = file_snapshot(self.file)
        environment = dict(os.environ, SUTURE_TRUST_DIR=str(WORK / "trust"), SUTURE_STATE_DIR=str(WORK / "state"))
        done = run("sh", "-c", f"ulimit -f 8; exec {SUTURE} apply {WORK / 'fix.hotpatch'} --disk", env=environment)
        self.expect(done, FAILED, "File too large")
        self.assertEqual(file_snapshot(self.file), before)

    def test_a_full_file_system_is_a_failure_that_leaves_the_file(self):
        kept = self.file.read_bytes()
        with self.mounted("-t", "tmpfs", "-o", f"size={(len(kept) // 4096 + 3) * 4096}", "tmpfs"):
            self.file.write_bytes(kept)
            self.file.chmod(0o755)
            self.refuse_disk("No space left", status=FAILED)


class Host(Contract):
    def test_install_and_uninstall_patch_the_file_and_every_process(self):
        file = WORK / "bin/program"
        before = file_snapshot(file)
        with Program() as first, Program() as second:
            said = json.loads(self.expect(suture("install", WORK / "fix.hotpatch", "--json"), DONE).stdout)
            self.assertEqual(sorted(result["pid"] for result in said["results"]), sorted([first.pid, second.pid]))
            self.assertEqual((first.answer(), second.answer()), ("answer=2", "answer=2"))
            with Program() as third:
                self.assertEqual(third.answer(), "answer=2")
            self.expect(suture("uninstall", "fix"), DONE)
            self.assertEqual((first.answer(), second.answer()), ("answer=1", "answer=1"))
        self.assertEqual(file_snapshot(file), before)
        self.expect(suture("uninstall", "fix"), REFUSED)

    def test_processes_that_end_meanwhile_are_no_failure(self):
        stop = threading.Event()
        churn = threading.Thread(target=self.start_and_end_processes, args=(stop,))
        churn.start()
        try:
            for _ in range(5):
                self.expect(suture("install", WORK / "fix.hotpatch"), DONE)
                self.expect(suture("uninstall", "fix"), DONE)
        finally:
            stop.set()
            churn.join()

    @staticmethod
    def start_and_end_processes(stop):
        """At each instant some begin, some have ended, and some of these are not waited for yet."""
        while not stop.is_set():
            programs = [subprocess.Popen([str(WORK / "bin/program")], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) for _ in range(30)]
            for program in programs:
                program.stdin.close()  # so it ends
            for program in programs:
                program.wait()


if __name__ == "__main__":
    SUTURE = str(Path(sys.argv.pop(1)).resolve())
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # not left behind when the runner is killed
    if os.geteuid() != 0:
        print("SKIPPED: the command line's contract needs root")
        sys.exit(77)
    unittest.main()
