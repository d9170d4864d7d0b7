"""A Debian source package laid out before and after single patches of its series.

Rows of one package are run in the order of its series. Two trees, `pre` and `post`, each move forward through the series by applying
what lies between, so that a package is unpacked twice in all and consecutive rows differ by little: builds of them can be incremental.
"""
import re
import shutil
import subprocess
from pathlib import Path

UNPACK_SECONDS = 1200


class SourceError(Exception):
    """The source of a row is not to be had, or its patch does not apply."""


def run(words, **options):
    result = subprocess.run([str(w) for w in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                            timeout=UNPACK_SECONDS, stdin=subprocess.DEVNULL, **options)
    if result.returncode != 0:
        last = (result.stdout.strip() or "no message").splitlines()[-3:]
        raise SourceError(f"{Path(str(words[0])).name} failed: {' / '.join(last)}")
    return result.stdout


def full_version(package, version):
    """Lists leave the epoch out; apt wants it."""
    shown = run(["apt-cache", "showsrc", "--only-source", package])
    for candidate in re.findall(r"^Version: (.+)$", shown, re.M):
        if candidate.split(":", 1)[-1] == version.split(":", 1)[-1]:
            return candidate
    raise SourceError(f"apt knows no source {package} {version} (deb-src entries, apt-get update?)")


def parse_series(text):
    """(patch, strip level) in the order in which they are applied."""
    entries = []
    for line in text.splitlines():
        words = re.sub(r"(^|\s)#.*", "", line).split()
        if words:
            level = next((int(w[2:]) for w in words[1:] if re.fullmatch(r"-p\d", w)), 1)
            entries.append((words[0], level))
    return entries


class Tree:
    """One unpacked source at some place in its series. A file beside it says which, unless it was left in between."""

    def __init__(self, folder, dsc):
        self.folder, self.dsc, self.place_file = folder, dsc, folder.with_suffix(".place")
        self.patches, self.whole_series = folder / "debian/patches", folder.with_suffix(".series")
        if self.place_file.exists():
            self.applied = int(self.place_file.read_text())
            self.series = parse_series(self.whole_series.read_text(errors="replace"))
        else:
            self._unpack()

    def _unpack(self):
        self.place_file.unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)
        run(["dpkg-source", "--no-check", "-x", "--skip-patches", self.dsc, self.folder])
        shutil.copy(self.patches / "series", self.whole_series)
        self.series, self.applied = parse_series(self.whole_series.read_text(errors="replace")), 0
        self.place_file.write_text("0")

    def move_to(self, place):
        """Applies the series up to, not including, entry `place`."""
        if place < self.applied:
            self._unpack()
        self.place_file.unlink(missing_ok=True)
        for number in range(self.applied, place):
            patch, level = self.series[number]
            run(["patch", "-d", self.folder, "-s", "-N", "--no-backup-if-mismatch", f"-p{level}", "-E", "-i", (self.patches / patch).resolve()])
            self.applied = number + 1
        self.place_file.write_text(str(place))
        # As dpkg-source would find it: what is applied is in the series, and nothing else.
        (self.patches / "series").write_text("".join(f"{patch}\n" if level == 1 else f"{patch} -p{level}\n" for patch, level in self.series[:place]))


class Source:
    """The source package of the rows; `trees(row)` gives pre and post, for rows in the order of `places`."""

    def __init__(self, package, version, folder):
        self.package, self.folder = package, Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.dsc = self._download(package, version)
        self.pre = Tree(self.folder / "pre", self.dsc)
        self.post = Tree(self.folder / "post", self.dsc)

    def _download(self, package, version):
        name = f"{package}_{version.split(':', 1)[-1]}.dsc"
        download = self.folder / "dsc"
        download.mkdir(exist_ok=True)
        if not (download / name).exists():
            run(["apt-get", "-q", "-o", "APT::Sandbox::User=root", "source", "--download-only", "--only-source",
                 f"{package}={full_version(package, version)}"], cwd=download)
        return download / name

    def place(self, row):
        for number, (patch, _) in enumerate(self.pre.series):
            if patch == row.patch:
                return number
        raise SourceError(f"{row.patch} is not in the series of {row.package} {row.version}")

    def trees(self, row):
        place = self.place(row)
        self.pre.move_to(place)
        self.post.move_to(place + 1)
        return self.pre.folder, self.post.folder
