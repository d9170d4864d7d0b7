"""A Debian source package laid out before and after single patches of its series.

Rows of one package are run in the order of its series. Two trees, `pre` and `post`, each move forward through the series by applying
what lies between, so that a package is unpacked twice in all and consecutive rows differ by little: builds of them can be incremental.
"""
import contextlib
import functools
import hashlib
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


def index_records(package):
    """What apt's index says of each version of a source: full version -> the record's text."""
    shown = run(["apt-cache", "showsrc", "--only-source", package])
    records = {}
    for record in re.split(r"\n\s*\n", shown):
        if found := re.search(r"^Version: (.+)$", record, re.M):
            records[found[1]] = record.strip() + "\n"
    return records


def without_epoch(version):
    return version.split(":", 1)[-1]


def is_newer(version, other):
    return subprocess.run(["dpkg", "--compare-versions", version, "gt", other]).returncode == 0


def download(package, version, record, folder):
    """The .dsc, with what it names. A mirror that lost the .dsc alone may still serve the rest: the index knows their digests, and
    all else that unpacking needs."""
    name = f"{package}_{without_epoch(version)}.dsc"
    if not (folder / name).exists():
        try:
            run(["apt-get", "-q", "-o", "APT::Sandbox::User=root", "source", "--download-only", "--only-source", f"{package}={version}"], cwd=folder)
        except SourceError:
            write_dsc(record, folder, name)
    return folder / name


def write_dsc(record, folder, name):
    """Makes a .dsc from the index's record, of files that are all here with the index's digests."""
    listed = re.search(r"^Checksums-Sha256:\s*\n((?: .+\n)+)", record, re.M)
    files = [line.split() for line in (listed[1] if listed else "").splitlines() if not line.endswith(".dsc")]
    files = [(digest, size, file) for digest, size, file in files if not file.endswith(".asc")]
    for digest, _, file in files:
        path = folder / file
        if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            raise SourceError(f"neither {name} nor all that it names is served: {file} is missing")
    if not files:
        raise SourceError(f"{name} is not served, and apt's index does not say what it names")
    fields = {key: re.search(rf"^{key}: (.+)$", record, re.M) for key in ("Format", "Binary", "Architecture", "Version", "Maintainer")}
    text = f"Format: {fields.pop('Format')[1]}\nSource: {name.split('_')[0]}\n"
    text += "".join(f"{key}: {found[1]}\n" for key, found in fields.items() if found)
    text += "Checksums-Sha256:\n" + "".join(f" {digest} {size} {file}\n" for digest, size, file in files)
    text += "Files:\n" + "".join(f" {hashlib.md5((folder / file).read_bytes()).hexdigest()} {size} {file}\n" for _, size, file in files)
    (folder / name).write_text(text)


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
    """One unpacked source with some patches of its series applied. A file beside it says which, unless it was left in between."""

    def __init__(self, folder, dsc):
        self.folder, self.dsc, self.state_file = folder, dsc, folder.with_suffix(".applied")
        self.patches, self.whole_series = folder / "debian/patches", folder.with_suffix(".series")
        if self.state_file.exists():
            self.applied = [int(place) for place in self.state_file.read_text().split()]
            self.series = parse_series(self.whole_series.read_text(errors="replace"))
        else:
            self._unpack()

    def _unpack(self):
        self.state_file.unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)
        run(["dpkg-source", "--no-check", "-x", "--skip-patches", self.dsc, self.folder])
        shutil.copy(self.patches / "series", self.whole_series)
        self.series, self.applied = parse_series(self.whole_series.read_text(errors="replace")), []
        self.state_file.write_text("")

    def move_to(self, places, where_they_apply=()):
        """Brings the tree to exactly these places of the series, and then to those of `where_they_apply` that apply by themselves."""
        places = list(places)
        was_left_in_between = not self.state_file.exists()
        if was_left_in_between or places[:len(self.applied)] != self.applied:
            self._unpack()
        try:
            self._move_on(places, where_they_apply)
        except SourceError:  # believed only of a tree that was unpacked for it: a run that was killed may have left something else
            self._unpack()
            self._move_on(places, where_they_apply)

    def _move_on(self, places, where_they_apply):
        self.state_file.unlink(missing_ok=True)
        for place in places[len(self.applied):]:
            self._apply(place)
        for place in where_they_apply:
            with contextlib.suppress(SourceError):
                self._apply(place, "--dry-run")
                self._apply(place)
        self._write_bookkeeping()
        self.state_file.write_text(" ".join(map(str, self.applied)))

    def _apply(self, place, *options):
        patch, level = self.series[place]
        # The copies are those that quilt makes: some rules pop patches and push them again.
        run(["patch", "-d", self.folder, "-s", "-N", "--backup", f"--prefix=.pc/{patch}/", f"-p{level}", "-E", *options,
             "-i", (self.patches / patch).resolve()])
        if not options:
            self.applied.append(place)

    def _write_bookkeeping(self):
        """As dpkg-source leaves it: what is applied is in the series and nothing else, and quilt knows of it, so that rules which call
        quilt find what they expect."""
        applied = [self.series[place] for place in self.applied]
        (self.patches / "series").write_text("".join(f"{patch}\n" if level == 1 else f"{patch} -p{level}\n" for patch, level in applied))
        quilt = self.folder / ".pc"
        quilt.mkdir(exist_ok=True)
        for name, text in ((".version", "2\n"), (".quilt_patches", "debian/patches\n"), (".quilt_series", "series\n"),
                           ("applied-patches", "".join(f"{patch}\n" for patch, _ in applied))):
            (quilt / name).write_text(text)


class Source:
    """The source package of the rows; `trees(row)` gives pre and post, for rows in the order of `places`.

    The version is the list's, or where that is not served any more the oldest newer one that is: its series without the later patches
    is the same source."""

    def __init__(self, package, version, folder):
        self.package, self.folder = package, Path(folder)
        download_folder = self.folder / "dsc"
        download_folder.mkdir(parents=True, exist_ok=True)
        self.dsc, self.version = self._download_served(package, version, download_folder)
        self.pre = Tree(self.folder / "pre", self.dsc)
        self.post = Tree(self.folder / "post", self.dsc)

    @staticmethod
    def _download_served(package, version, folder):
        records, complaints = index_records(package), []
        wanted = without_epoch(version)
        exact = [v for v in records if without_epoch(v) == wanted]
        newer = [v for v in records if is_newer(without_epoch(v), wanted)]
        newer.sort(key=functools.cmp_to_key(lambda a, b: 1 if is_newer(a, b) else -1))
        for candidate in exact + newer:
            try:
                return download(package, candidate, records[candidate], folder), candidate
            except SourceError as error:
                complaints.append(str(error))
        raise SourceError("; ".join(complaints) or f"apt knows no source {package} {version} or newer (deb-src entries, apt-get update?)")

    def place(self, row):
        for number, (patch, _) in enumerate(self.pre.series):
            if patch == row.patch:
                return number
        raise SourceError(f"{row.patch} is not in the series of {row.package} {without_epoch(self.version)}")

    def trees(self, row):
        if self._rules_pop_patches():  # and mean the last ones of the whole series
            return self.trees_of_whole_series(row)
        place = self.place(row)
        self.pre.move_to(range(place))
        self.post.move_to(range(place + 1))
        return self.pre.folder, self.post.folder

    def _rules_pop_patches(self):
        rules = self.pre.folder / "debian/rules"
        return rules.is_file() and re.search(r"\bquilt\s+pop\b", rules.read_text(errors="replace")) is not None

    def trees_of_whole_series(self, row):
        """The whole series with the fix and without it, for packaging that works with nothing less (files below debian/ that patch the
        source once more). What comes later and builds on the fix is in neither."""
        place = self.place(row)
        self.pre.move_to(range(place), range(place + 1, len(self.pre.series)))
        later = [other for other in self.pre.applied if other > place]
        self.post.move_to([*range(place + 1), *later])
        return self.pre.folder, self.post.folder

    def pre_with(self, patch, level=1):
        """A copy of the source before the fix, with `patch` instead."""
        words = ["-s", "-N", "--no-backup-if-mismatch", f"-p{level}", "-E", "-i", Path(patch).resolve()]
        run(["patch", "-d", self.pre.folder, "--dry-run", *words])
        other = self.folder / "other"
        shutil.rmtree(other, ignore_errors=True)
        shutil.copytree(self.pre.folder, other, symlinks=True)
        run(["patch", "-d", other, *words])
        return other

    def another_fix(self, row):
        """The source as it stands before `row`'s fix with a later one of the series instead; None where none applies by itself."""
        for place in range(self.place(row) + 1, len(self.pre.series)):
            if place in self.pre.applied:
                continue
            patch, level = self.pre.series[place]
            text = self.pre.patches / patch
            if not re.search(r"^\+\+\+ \S+\.(c|cc|cpp|cxx)\b", text.read_text(errors="replace"), re.M):
                continue
            with contextlib.suppress(SourceError):
                return self.pre_with(text, level)
        return None
