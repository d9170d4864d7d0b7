#!/usr/bin/env python3
"""poppler 22.12.0-2+deb12u2 as Debian ships it, a C++ library, becomes 22.12.0-2+deb12u3 by `suture build --debian` in a program that two
threads read documents in: hot three times and back. What is shown is one of CVE-2025-52886's checks: a page whose /Annots is a reference to a
dictionary instead of an array is opened before, and refused after."""
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import harness  # noqa: E402

BEFORE, AFTER = "22.12.0-2+deb12u2", "22.12.0-2+deb12u3"
PATCH_ID = "poppler-22.12.0-2-deb12u3"
BINARIES = ["libpoppler126", "libpoppler-glib8"]
ROUNDS = 3


def pdf(annotations, fifth):
    """A document of one page with a line of text."""
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
               b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] /Contents 4 0 R /Resources << /Font << /F1 6 0 R >> >> /Annots " + annotations + b" >>",
               b"<< /Length 41 >>\nstream\nBT /F1 24 Tf 20 100 Td (Hello there) Tj ET \nendstream", fifth,
               b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    out, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1) + b"".join(b"%010d 00000 n \n" % place for place in places)
    return out + table + b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, len(out))


class Reader:
    def __init__(self, case, libraries):
        good, asked = case.folder / "good.pdf", case.folder / "asked.pdf"
        good.write_bytes(pdf(b"[ << /Type /Annot /Subtype /FreeText /Rect [10 10 90 40] /DA (/Helv 10 Tf 0 g) /Contents (note) >> ]", b"null"))
        asked.write_bytes(pdf(b"5 0 R", b"<< /Wrong (type) >>"))
        self.process = subprocess.Popen([sys.executable, Path(__file__).with_name("reader.py"), good, asked], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=open(case.folder / "reader.log", "wb"), text=True, env={**os.environ, "LD_LIBRARY_PATH": str(libraries)})
        case.on_exit(case.end, self.process)
        self.pid = self.process.pid
        self.page, self.rounds, self.wrong = self.ask()
        if self.page == "":
            raise harness.Skip(f"libpoppler does not load here: {(case.folder / 'reader.log').read_text()[-300:]}")

    def ask(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        page, rounds, wrong = (self.process.stdout.readline().split() + ["", 0, 0])[:3]
        return page, int(rounds), int(wrong)


def run(case):
    for leftover in ("trust", "state"):
        harness.fresh(case.folder / leftover)
    case.environment.setdefault("SUTURE_BUILD_CACHE", str(harness.ROOT / "build/debian-cache"))
    case.environment["DEB_BUILD_OPTIONS"] = f"nocheck parallel={os.cpu_count() or 2}"
    case.run([harness.ROOT / "tools/install-deps", "debian"])
    case.heading("building the package from two versions")
    package = case.folder / f"{PATCH_ID}.hotpatch"
    report = case.suture_json("build", "--debian", f"poppler={BEFORE}", "--to", AFTER, "--package", "libpoppler126", "--id", PATCH_ID, "-o", package)
    image = next(iter(report["images"]))
    case.check("libpoppler.so.126" in image["path"] and image["match"]["located"] > 0.98 * image["match"]["functions"],
               f"{image['match']['located']} of {image['match']['functions']} functions of the library are in the shipped file", image["match"])
    case.sign(package)
    shipped = case.debian_binaries(BINARIES, BEFORE, case.folder / "shipped")
    reader = Reader(case, next(shipped.glob("usr/lib/*")))
    case.check(reader.page == "page", "as shipped, the page with the wrong annotations is opened", reader.page)
    for _ in range(ROUNDS):
        case.apply(package, [reader.pid])
        case.check(reader.ask()[0] == "none", "patched, it is refused")
        case.revert(PATCH_ID, [reader.pid])
        case.check(reader.ask()[0] == "page", "reverted, it is opened again")
    _, rounds, wrong = reader.ask()
    case.check(rounds > reader.rounds and wrong == 0, f"two threads read a document meanwhile, {rounds} times, and never wrong", wrong)


if __name__ == "__main__":
    sys.exit(harness.main(run, "poppler_u2_to_u3"))
