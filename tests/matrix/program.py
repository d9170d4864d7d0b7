"""Makes the two source trees of a set of constructs, the binary as it would be shipped, and asks a running program its questions."""
import contextlib
import re
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
WAIT_SECONDS = 30
SUFFIXES = {".c", ".cc", ".S"}


class Wrong(Exception):
    """Something does not hold."""


class Construct:
    """One source file with a fix in it. Its comments may say, a line each:
    matrix-only: WORDS      what the flavour's words must contain (one of those divided by |), e.g. "gcc", "exec|static"
    matrix-not: WORDS       what none of them may be
    matrix-flags: FLAGS     further flags for this file
    matrix-refused: TEXT    the build refuses with this text (a regular expression); such a construct is tried alone
    matrix-no-change        the fix changes no code; tried alone
    matrix-allow: HAZARD    allowed by name
    matrix-quick: FLAVOURS  of the flavours that ./check runs only these (what takes long to compile)
    matrix-data: CHOICES    what becomes of changed initial values, NAME=keep or NAME=write-if-old
    """

    def __init__(self, path):
        self.path = path
        self.name = path.stem
        self.text = path.read_text()
        self.only = self._words("only")
        self.excluded = self._words("not")
        self.flags = self._words("flags")
        self.allow = self._words("allow")
        self.quick = self._words("quick")
        self.data = self._words("data")
        refused = re.search(r"matrix-refused: (.*)", self.text)
        self.refused = refused.group(1).strip() if refused else None
        self.no_change = "matrix-no-change" in self.text
        self.cxx = path.suffix == ".cc"
        # Assembly that belongs to it and has no fix of its own.
        self.assembly = path.with_suffix(".S") if path.with_suffix(".S").exists() else None

    def _words(self, key):
        found = re.search(rf"matrix-{key}: (.*)", self.text)
        return found.group(1).split() if found else []

    @property
    def alone(self):
        return self.refused is not None or self.no_change

    def suits(self, flavour):
        words = {flavour.name, *flavour.name.split("-"), flavour.kind, flavour.compiler, *flavour.compile, *flavour.link, flavour.optimise}
        if any(not words & set(alternatives.split("|")) for alternatives in self.only):
            return False
        return not words & set(self.excluded)


def all_constructs():
    return [Construct(p) for p in sorted((HERE / "constructs").iterdir()) if p.suffix in {".c", ".cc"}]


def chosen_side(text, fixed):
    """The text with `#ifdef FIXED`, its `#else` and `#endif` resolved and gone."""
    out, stack = [], []
    for line in text.splitlines(keepends=True):
        word = line.strip()
        if word.startswith("#ifdef FIXED"):
            stack.append([True, fixed])
        elif word.startswith("#ifndef FIXED"):
            stack.append([True, not fixed])
        elif word.startswith("#if"):
            stack.append([False, True])
            if all(keep for _, keep in stack):
                out.append(line)
        elif word.startswith("#else") and stack[-1][0]:
            stack[-1][1] = not stack[-1][1]
        elif word.startswith("#endif"):
            ours, _ = stack.pop()
            if not ours and all(keep for _, keep in stack):
                out.append(line)
        elif all(keep for _, keep in stack):
            out.append(line)
    return "".join(out)


def run(words, **options):
    return subprocess.run([str(w) for w in words], capture_output=True, text=True, stdin=subprocess.DEVNULL, **options)


def checked(words, **options):
    result = run(words, **options)
    if result.returncode != 0:
        raise Wrong(f"{' '.join(map(str, words))} exited with {result.returncode}:\n{result.stdout}{result.stderr}")
    return result


class Program:
    """The constructs under one flavour: trees, shipped binary, and how to start it."""

    def __init__(self, folder, flavour, constructs):
        self.folder, self.flavour, self.constructs = folder, flavour, constructs
        self.library = flavour.kind == "shared"
        self.output = "libunder.so" if self.library else "program"
        self.static = flavour.kind.startswith("static")

    def prepare(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        for side in ("pre", "post"):
            self._write_tree(self.folder / side, side == "post")
        if not self.static:
            checked(["gcc", "-O2", "-fPIC", "-shared", "-o", self.folder / "libhelper.so", HERE / "helper.c",
                     f"-Wl,--version-script={HERE / 'helper.map'}", "-Wl,-soname,libhelper.so"])
        # As a distribution would: an ordinary build somewhere else, without our wrapper, stripped.
        shipping = self.folder / "shipping"
        shutil.copytree(self.folder / "pre", shipping)
        checked(["sh", "build.sh"], cwd=shipping)
        (self.folder / "shipped").mkdir()
        checked(["strip", "--strip-unneeded", "-o", self.shipped, shipping / self.output])
        if self.library:
            checked(["gcc", "-O2", "-pthread", "-o", self.folder / "shipped/host", HERE / "main.c", self.shipped, "-Wl,--disable-new-dtags",
                     "-Wl,-rpath,$ORIGIN", "-L", self.folder, f"-Wl,-rpath-link,{self.folder}"])

    @property
    def shipped(self):
        return self.folder / "shipped" / self.output

    def _write_tree(self, tree, fixed):
        tree.mkdir()
        (tree / "construct.h").write_text((HERE / "construct.h").read_text())
        if not self.library:
            (tree / "main.c").write_text((HERE / "main.c").read_text())
        for construct in self.constructs:
            (tree / construct.path.name).write_text(chosen_side(construct.text, fixed))
            if construct.assembly:
                (tree / construct.assembly.name).write_text(construct.assembly.read_text())
        names = [c.name for c in self.constructs]
        (tree / "table.c").write_text(
            "#define EXPORTED __attribute__((visibility(\"default\")))\n"
            "EXPORTED int matrix_failures;\n" + "".join(f"int check_{n}(int fixed);\n" for n in names) +
            "EXPORTED int run_checks(int fixed) {\n  int checks = 0;\n" + "".join(f"  checks += check_{n}(fixed);\n" for n in names) + "  return checks;\n}\n")
        if any("under.map" in word for word in self.flavour.link):
            (tree / "under.map").write_text("UNDER_1 { global: run_checks; matrix_failures; table_changed; table_same; local: *; };\n")
        (tree / "build.sh").write_text(self._script())

    def _script(self):
        flavour = self.flavour
        cxx = any(c.cxx for c in self.constructs)
        compiler = {"gcc": "g++", "clang": "clang++"}[flavour.compiler]
        lines = ["set -e"]
        objects = []

        def compile_one(source, extra=()):
            tool = compiler if source.endswith(".cc") else flavour.compiler
            objects.append(source.rsplit(".", 1)[0] + (".asm.o" if source.endswith(".S") else ".o"))
            lines.append(" ".join([tool, *flavour.compile_flags, *extra, "-c", source, "-o", objects[-1]]))

        if not self.library:
            compile_one("main.c")
        for construct in self.constructs:
            compile_one(construct.path.name, construct.flags)
            if construct.assembly:
                compile_one(construct.assembly.name)
        compile_one("table.c")
        helper = [] if self.static else ["-L", str(self.folder), "-lhelper", f"-Wl,-rpath,{self.folder}"]
        lines.append(" ".join([compiler if cxx else flavour.compiler, *flavour.link_flags, "-Wl,--build-id", "-o", self.output, *objects, *helper, "-lm", "-ldl"]))
        return "\n".join(lines) + "\n"

    def start(self):
        return Running(self.folder / "shipped" / ("host" if self.library else self.output))

    @property
    def fixed_output(self):
        return self.folder / "cold" / self.output


class Running:
    def __init__(self, program):
        self.process = subprocess.Popen([str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    @property
    def pid(self):
        return self.process.pid

    def ask(self, fixed, when):
        """All checks, by both threads; what they say is wrong if it is not all right."""
        try:
            self.process.stdin.write("1\n" if fixed else "0\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        lines = []
        while True:
            line = self.process.stdout.readline()
            if not line:
                raise Wrong(f"{when}: the program died with status {self.process.wait(WAIT_SECONDS)}\n{''.join(lines)}")
            if re.match(r"(ok|bad): \d+ checks$", line):
                break
            lines.append(line)
        if not line.startswith("ok"):
            raise Wrong(f"{when}:\n{''.join(lines[:20])}")

    def end(self):
        self.process.stdin.close()
        try:
            return self.process.wait(WAIT_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        with contextlib.suppress(BrokenPipeError):  # what a program that died was still to be asked
            self.process.stdin.close()
        self.process.stdout.close()
