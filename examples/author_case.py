"""What the examples share: a real fix that Suture refuses as it is, because it changes the layout of data that is alive or data that a
running program has used already; a variant of it by a patch author (fix.patch, at most 40 added lines, with suture/patch.h); the
flawed program built as a distribution would ship it, running; and the variant applied to it."""
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/live/real"))
import harness  # noqa: E402

MOST_LINES = 40


def added_lines(patch):
    return sum(line.startswith("+") and not line.startswith("+++ ") for line in patch.read_text(errors="surrogateescape").splitlines())


class Example:
    """`fix`: package, version and CVE (or patch) of ../shared/corpus; `build`: the command that builds the tree; `output`: what it
    makes, relative to the tree; `hazard`: what is wrong with the distribution's fix in a running process."""

    def __init__(self, case, folder, fix, build, output, hazard, jobs=True):
        self.case, self.patch, self.id = case, Path(folder) / "fix.patch", Path(folder).name
        self.fix, self.build, self.output, self.hazard = fix, build, output, hazard

    def prepare(self):
        """The shipped image and the package."""
        case = self.case
        lines = added_lines(self.patch)
        case.check(lines <= MOST_LINES, f"the author's variant has {lines} lines")
        pre, post = case.fix_trees(*self.fix)
        case.environment["DEB_BUILD_OPTIONS"] = f"nocheck parallel={os.cpu_count() or 2}"
        for leftover in ("trust", "state"):
            harness.fresh(case.folder / leftover)
        shipped = case.built_as_shipped(pre, self.build, self.output, Path(self.output).name)
        words = ["--build", self.build, "--image", f"{shipped}={self.output}", "--work", case.folder / "work"]
        case.heading("the distribution's fix")
        refused = case.suture("build", "--pre", pre, "--post", post, *words, "-o", case.folder / "refused.hotpatch", expect=3)
        case.check(self.hazard in refused.stderr, f"is refused: {self.hazard}", refused.stderr)
        case.heading("the author's variant")
        package = case.folder / f"{self.id}.hotpatch"
        report = case.suture_json("build", "--source", pre, "--patch", self.patch, *words, "-o", package)
        functions = [f["name"] for image in report["images"] for f in image["functions"] if not f["new"]]
        case.check(functions, f"replaces {', '.join(functions)}", report)
        case.sign(package)
        return shipped, package


def main(run, file):
    folder = Path(file).resolve().parent
    # Builds that run at the same time have a folder each.
    chosen = os.environ.get("SUTURE_CASE_FOLDER")
    return harness.main(lambda case: run(case, folder), f"example-{folder.name}", Path(chosen) if chosen else None)
