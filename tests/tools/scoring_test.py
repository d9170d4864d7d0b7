#!/usr/bin/env python3
"""Tests of tools/scoring, the parts of tools/coverage: what they compute, and against real processes where there is a compiler."""
import concurrent.futures
import csv
import difflib
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
from scoring import elf, hotfile, live, plain, process, report, rows, shipped, source  # noqa: E402


def result(outcome, kind="body_only", **more):
    return {"package": "p", "patch": "x.patch", "class": kind, "outcome": outcome, "first_of_package": False, **more}


class Lists(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def write(self, *lines):
        path = Path(self.folder.name) / "set.tsv"
        with open(path, "w", newline="") as file:
            csv.writer(file, delimiter="\t", quoting=csv.QUOTE_NONE, quotechar=None).writerows(lines)
        return path

    def test_a_list_without_a_column_is_refused_by_its_name(self):
        path = self.write(["package", "version", "patch", "cve"], ["p", "1", "x", "c"])
        with self.assertRaisesRegex(rows.SetError, "no column class"):
            rows.read_set(path)

    def test_more_columns_and_other_packages_are_passed_over(self):
        path = self.write([*rows.COLUMNS, "unit"], ["p", "1", "x", "c", "body_only", "u"], ["q", "1", "y", "c", "body_only", "u"])
        self.assertEqual([row.patch for row in rows.read_set(path, "q")], ["y"])

    def test_an_allowance_without_evidence_is_refused(self):
        path = self.write(["package", "patch", "allow", "evidence"], ["p", "x", "layout:t", ""])
        with self.assertRaisesRegex(rows.SetError, "needs its evidence"):
            rows.read_decisions(path)

    def test_a_variant_by_an_author_is_found_beside_the_list_and_must_be_there(self):
        path = self.write(["package", "patch", "variant"], ["p", "x", "variant.patch"])
        with self.assertRaisesRegex(rows.SetError, "variant.patch is not there"):
            rows.read_author_patches(path)
        path.with_name("variant.patch").write_text("")
        self.assertEqual(rows.read_author_patches(path), {("p", "x"): path.with_name("variant.patch")})

    def test_the_lists_of_this_tree_can_be_read(self):
        self.assertTrue(rows.read_author_patches(ROOT / "tools/scoring/author-patches.tsv"))
        self.assertTrue(rows.read_decisions(ROOT / "tools/scoring/allowances.tsv"))

    def test_a_result_is_found_again_by_the_next_run(self):
        row = rows.Row("p", "1", "dir/a b.patch", "c", "body_only")
        rows.State(self.folder.name).save(row, {"outcome": rows.AUTOMATIC})
        self.assertEqual(rows.State(self.folder.name).load(row), {"outcome": rows.AUTOMATIC})

    def test_a_series_may_hold_comments_and_strip_levels(self):
        self.assertEqual(source.parse_series("# a\none.patch\n\ntwo.patch -p0 # why\n"), [("one.patch", 1), ("two.patch", 0)])


class LostDsc(unittest.TestCase):
    RECORD = ("Package: p\nBinary: p\nVersion: 1:1-2\nMaintainer: M <m@example.org>\nArchitecture: any\nFormat: 3.0 (quilt)\n"
              "Checksums-Sha256:\n 00 5 p_1-2.dsc\n {orig} 4 p_1.orig.tar.gz\n {digest} 4 p_1-2.debian.tar.xz\nDirectory: pool\n")

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.here = Path(folder.name)
        for name in ("p_1.orig.tar.gz", "p_1-2.debian.tar.xz"):
            (self.here / name).write_bytes(b"data")
        digest = hashlib.sha256(b"data").hexdigest()
        self.record = self.RECORD.format(orig=digest, digest=digest)

    def test_what_the_index_knows_makes_up_for_it(self):
        source.write_dsc(self.record, self.here, "p_1-2.dsc")
        text = (self.here / "p_1-2.dsc").read_text()
        self.assertIn("Format: 3.0 (quilt)\nSource: p\n", text)
        self.assertIn(f"Files:\n {hashlib.md5(b'data').hexdigest()} 4 p_1.orig.tar.gz\n", text)
        self.assertNotIn(".dsc", text)

    def test_a_file_that_is_not_what_the_index_says_is_not_used(self):
        (self.here / "p_1-2.debian.tar.xz").write_bytes(b"else")
        with self.assertRaisesRegex(source.SourceError, "p_1-2.debian.tar.xz is missing"):
            source.write_dsc(self.record, self.here, "p_1-2.dsc")


def lines(*changed):
    """A file of twelve lines, some of which are not as they were."""
    return "".join(f"{'new' if n in changed else 'old'} {n}\n" for n in range(12))


def patch_text(before, after):
    return "".join(difflib.unified_diff(before.splitlines(True), after.splitlines(True), "a/code.c", "b/code.c"))


@unittest.skipUnless(shutil.which("dpkg-source"), "dpkg-source is not installed")
class SeriesTrees(unittest.TestCase):
    """A source package whose series changes line 2, then line 9, then line 2 again, then line 6."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        tree = self.folder / "p-1"
        patches = tree / "debian/patches"
        patches.mkdir(parents=True)
        (tree / "code.c").write_text(lines())
        subprocess.run(["tar", "cf", "p_1.orig.tar", "--exclude=debian", "p-1"], cwd=self.folder, check=True)
        subprocess.run(["gzip", "p_1.orig.tar"], cwd=self.folder, check=True)
        (tree / "debian/source").mkdir()
        (tree / "debian/source/format").write_text("3.0 (quilt)\n")
        (tree / "debian/control").write_text("Source: p\nMaintainer: A <a@b>\n\nPackage: p\nArchitecture: any\nDescription: p\n")
        (tree / "debian/changelog").write_text("p (1-1) unstable; urgency=low\n\n  * x\n\n -- A <a@b>  Mon, 08 Jan 2024 10:00:00 +0000\n")
        again = lines(2, 9).replace("new 2", "newer 2")
        steps = [lines(), lines(2), lines(2, 9), again, again.replace("old 6", "new 6")]
        for number, (before, after) in enumerate(zip(steps, steps[1:])):
            (patches / f"{number}.patch").write_text(patch_text(before, after))
        (patches / "series").write_text("0.patch\n1.patch\n2.patch\n3.patch\n")
        subprocess.run(["dpkg-source", "-b", "p-1"], cwd=self.folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.dsc = self.folder / "p_1-1.dsc"

    def code(self, tree):
        return (tree.folder / "code.c").read_text()

    def test_a_tree_goes_on_from_the_place_that_an_earlier_run_left_it_at(self):
        source.Tree(self.folder / "pre", self.dsc).move_to(range(2))
        tree = source.Tree(self.folder / "pre", self.dsc)
        self.assertEqual((tree.applied, self.code(tree)), ([0, 1], lines(2, 9)))
        tree.move_to(range(1))
        self.assertEqual(self.code(tree), lines(2))

    def test_a_tree_on_which_a_patch_failed_is_unpacked_anew(self):
        tree = source.Tree(self.folder / "pre", self.dsc)
        (tree.folder / "code.c").write_text(lines(9))
        tree.move_to(range(2))
        self.assertEqual(self.code(tree), lines(2, 9))

    def test_quilt_is_told_what_is_applied(self):
        tree = source.Tree(self.folder / "pre", self.dsc)
        tree.move_to(range(2))
        self.assertEqual((tree.folder / ".pc/applied-patches").read_text(), "0.patch\n1.patch\n")
        self.assertEqual((tree.folder / "debian/patches/series").read_text(), "0.patch\n1.patch\n")

    def test_the_whole_series_without_a_fix_leaves_out_what_builds_on_it(self):
        whole = source.Source.__new__(source.Source)
        whole.pre, whole.post = (source.Tree(self.folder / side, self.dsc) for side in ("pre", "post"))
        whole.trees_of_whole_series(rows.Row("p", "1-1", "0.patch", "", "body_only"))
        self.assertEqual((self.code(whole.pre), self.code(whole.post)), (lines(6, 9), lines(2, 6, 9)))

    def test_rules_that_pop_the_last_patches_get_the_whole_series(self):
        whole = source.Source.__new__(source.Source)
        whole.pre, whole.post = (source.Tree(self.folder / side, self.dsc) for side in ("pre", "post"))
        row = rows.Row("p", "1-1", "0.patch", "", "body_only")
        whole.trees(row)
        self.assertEqual(self.code(whole.post), lines(2))
        (whole.pre.folder / "debian/rules").write_text("build:\n\tquilt pop\n\tmake\n\tquilt push\n")
        whole.trees(row)
        self.assertEqual((self.code(whole.pre), self.code(whole.post)), (lines(6, 9), lines(2, 6, 9)))

    def test_a_variant_is_applied_to_a_copy_of_the_source_before_the_fix_or_not_at_all(self):
        whole = source.Source.__new__(source.Source)
        whole.folder, whole.pre = self.folder, source.Tree(self.folder / "pre", self.dsc)
        whole.pre.move_to(range(1))
        variant = self.folder / "variant.patch"
        variant.write_text(patch_text(lines(2), lines(2, 6)))
        other = whole.pre_with(variant)
        self.assertEqual(((other / "code.c").read_text(), self.code(whole.pre)), (lines(2, 6), lines(2)))
        variant.write_text(patch_text(lines(9), lines(6)))
        with self.assertRaises(source.SourceError):
            whole.pre_with(variant)


class Trees(unittest.TestCase):
    def test_a_tree_that_was_left_in_between_is_unpacked_anew(self):
        with tempfile.TemporaryDirectory() as folder:
            here = Path(folder)
            made = here / "made/p-1"
            (made / "debian/patches").mkdir(parents=True)
            (made / "debian/source").mkdir()
            (made / "debian/source/format").write_text("1.0\n")
            (made / "debian/control").write_text("Source: p\nMaintainer: M <m@example.org>\n\nPackage: p\nArchitecture: any\nDescription: p\n")
            (made / "debian/changelog").write_text("p (1) unstable; urgency=low\n\n  * p\n\n -- M <m@example.org>  Thu, 01 Jan 1970 00:00:00 +0000\n")
            (made / "debian/patches/series").write_text("one\n")
            (made / "debian/patches/one").write_text("--- a/x\n+++ b/x\n@@ -1 +1 @@\n-old\n+new\n")
            (made / "x").write_text("old\n")
            subprocess.run(["dpkg-source", "-b", "p-1"], cwd=here / "made", check=True, capture_output=True)
            tree = source.Tree(here / "tree", here / "made/p_1.dsc")
            (tree.folder / "x").write_text("new\n")  # as if a run had been killed before it noted that the patch is in
            tree.move_to([0])
            self.assertEqual(((tree.folder / "x").read_text(), tree.applied), ("new\n", [0]))


class Totals(unittest.TestCase):
    def test_the_cost_of_a_second_fix_is_told_in_proportion_to_the_first(self):
        first = result(rows.REFUSED, build_seconds=50.0, second_fix_seconds=5.0, build_cpu_seconds=20.0, second_fix_cpu_seconds=3.0)
        built = result(rows.AUTOMATIC, build_seconds=11.0, compile_seconds=10.0, peak_mib=30, objects_mib=20)
        cost = report.cost([first, built])
        self.assertEqual((cost["second_fix_of_an_unchanged_source_to_the_first_max"], cost["beyond_compilations_max"]), (0.1, 0.1))
        self.assertEqual(cost["second_fix_by_processor_time_max"], 0.15)
        self.assertEqual(cost["peak_to_objects_from_16_mib_max"], 1.5)

    def test_what_changes_no_code_or_cannot_be_built_is_no_part_of_the_share(self):
        results = [result(o) for o in (rows.AUTOMATIC, rows.REFUSED, rows.NO_CHANGE, rows.BROKEN)]
        self.assertEqual(report.totals(results, 9)["all"], {"live": 1, "automatic": 1, "of": 2})

    def test_layout_fixes_count_in_the_whole_only(self):
        sums = report.totals([result(rows.AUTOMATIC), result(rows.REFUSED, "struct_layout")], 2)
        self.assertEqual((sums["all"]["of"], sums["without_layout_signature_data"]), (2, {"automatic": 1, "of": 1}))

    def test_a_refusal_is_in_the_table_with_its_reason(self):
        self.assertIn("| p | x.patch | body_only | refused | because |", report.markdown([result(rows.REFUSED, reason="because")], 1))


class Formats(unittest.TestCase):
    def test_each_form_of_a_validation_sees_a_changed_byte(self):
        digest = hotfile.Validation(0, 2, hotfile.FORM_DIGEST, hashlib.sha256(b"ab").digest())
        plain_bytes = hotfile.Validation(0, 2, hotfile.FORM_BYTES, b"ab")
        masked = hotfile.Validation(0, 2, hotfile.FORM_MASKED, b"ab", b"\xff\x00")
        self.assertTrue(all(v.holds(b"ab") for v in (digest, plain_bytes, masked)) and masked.holds(b"ax"))
        self.assertFalse(any(v.holds(b"xb") for v in (digest, plain_bytes, masked)))

    def test_expected_code_moves_each_kind_of_field(self):
        image = hotfile.HotImage(code=bytes(24), fixups=[(0, hotfile.BASE_REL32), (8, hotfile.SELF_ABS64), (16, hotfile.IMPORT_ABS64)])
        code, unknown = hotfile.expected_code(image, 0x1000, 0x3000)
        self.assertEqual((code[:4], code[8:16], unknown), ((-0x2000).to_bytes(4, "little", signed=True), (0x3000).to_bytes(8, "little"), [range(16, 24)]))

    def test_numbers_are_read_as_leb128(self):
        reader = hotfile.Reader(bytes([0xE5, 0x8E, 0x26, 0x7F]))
        self.assertEqual((reader.unsigned(), reader.signed()), (624485, -1))
        self.assertRaises(hotfile.FormatError, reader.byte)


class Processes(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        here = Path(self.folder.name)
        self.hold = here / "hold.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-Wl,-z,now", "-o", self.hold, ROOT / "tools/scoring/hold.c"], check=True)
        self.program = here / "program"
        subprocess.run(["cc", "-x", "c", "-o", self.program, "-"], input=b'#include <stdio.h>\nint main(void) { puts("ran"); return 7; }', check=True)

    def test_a_program_is_held_before_its_code_and_runs_to_its_end(self):
        with process.Held(self.hold, self.program, folder=self.folder.name) as held:
            self.assertEqual(process.differences(held.snapshot(), held.snapshot()), [])
            self.assertEqual(held.read(held.bias(self.program), 4), b"\x7fELF")
            self.assertEqual(held.finish(), (7, b"ran\n"))

    def test_a_changed_byte_of_memory_is_found(self):
        with process.Held(self.hold, self.program, folder=self.folder.name) as held:
            before, place = held.snapshot(), held.bias(self.program) + 0x100
            descriptor = os.open(f"/proc/{held.pid}/mem", os.O_RDWR)
            self.addCleanup(os.close, descriptor)
            os.pwrite(descriptor, bytes([held.read(place, 1)[0] ^ 1]), place)
            self.assertIn(f"differs at {place:#x}", process.differences(before, held.snapshot())[0])

    def test_a_library_that_cannot_be_opened_says_which_symbol_is_missing(self):
        library = Path(self.folder.name) / "plugin.so"
        subprocess.run(["cc", "-x", "c", "-shared", "-fPIC", "-o", library, "-"], input=b"extern int of_the_program; int *p = &of_the_program;", check=True)
        with self.assertRaises(process.NotLoaded) as caught:
            process.Held(self.hold, process.NEUTRAL_PROGRAM, opens=[library], folder=self.folder.name)
        self.assertEqual(caught.exception.missing_symbol, "of_the_program")

    def test_programs_and_libraries_are_told_apart(self):
        self.assertEqual((elf.ElfFile(self.program).is_program, elf.is_library(self.hold)), (True, True))
        self.assertEqual(sorted(elf.linked_files(self.folder.name)), ["hold.so", "program"])


    def test_files_that_were_stripped_from_one_link_in_two_ways_have_its_build_id(self):
        library, stripped = Path(self.folder.name) / "linked.so", Path(self.folder.name) / "stripped.so"
        subprocess.run(["cc", "-x", "c", "-shared", "-Wl,--build-id=0x0123456789", "-o", library, "-"], input=b"int x;", check=True)
        subprocess.run(["strip", "-o", stripped, library], check=True)
        self.assertNotEqual(live.digest(library), live.digest(stripped))
        self.assertEqual([elf.ElfFile(library).build_id, elf.ElfFile(stripped).build_id], ["0123456789"] * 2)
        subprocess.run(["cc", "-x", "c", "-shared", "-Wl,--build-id=none", "-o", library, "-"], input=b"int x;", check=True)
        self.assertEqual(elf.ElfFile(library).build_id, "")

    def test_a_program_that_is_installed_under_another_name_is_known_by_its_symbols(self):
        installed = [["program4", shipped.dynamic_symbols(Path(self.folder.name) / "program")], ["gone", ["a", "b", "c"]]]
        self.assertEqual(shipped.choose(self.folder.name, ["hold.so", "program"], installed), ["program"])
        self.assertEqual(shipped.choose(self.folder.name, ["hold.so", "program"], [["hold.so", []]]), ["hold.so"])


class Keys(unittest.TestCase):
    def test_all_who_work_in_one_folder_trust_the_one_key(self):
        with tempfile.TemporaryDirectory() as folder:
            program = Path(folder) / "suture"
            program.write_text('#!/bin/sh\necho $$ > "$3.key"; echo $$ > "$3.pub"\n')
            program.chmod(0o755)
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                list(pool.map(lambda _: live.Suture(program, folder).make_key(), range(8)))
            keys = {(Path(folder) / name).read_text() for name in ("score.key", "score.pub", "trust/score.pub")}
            self.assertEqual(len(keys), 1)


class Steps(unittest.TestCase):
    def test_a_configure_step_runs_again_only_when_an_input_of_it_changed(self):
        with tempfile.TemporaryDirectory() as folder:
            here = Path(folder)
            tools, tree = plain.write_once_tools(here / "once"), here / "tree"
            (tree / "debian").mkdir(parents=True)
            (here / "real").mkdir()
            step = here / "real/dh_auto_configure"
            step.write_text("#!/bin/sh\necho x >> ran\n")
            step.chmod(0o755)
            environment = {**os.environ, "PATH": f"{tools}:{here / 'real'}:{os.environ['PATH']}"}

            def times(*words):
                subprocess.run(["dh_auto_configure", *words], cwd=tree, env=environment, check=True)
                return (tree / "ran").read_text().count("x")
            self.assertEqual([times(), times(), times("--other")], [1, 1, 2])
            (tree / "meson.build").write_text("")
            os.utime(tree / "meson.build", (2e9, 2e9))
            self.assertEqual(times(), 3)

    def test_documentation_is_made_once_in_each_folder_and_a_tool_that_is_not_there_is_not_made_up(self):
        with tempfile.TemporaryDirectory() as folder:
            here = Path(folder)
            (here / "real").mkdir()
            (here / "doc").mkdir()
            tool = here / "real/doxygen"
            tool.write_text("#!/bin/sh\necho \"$*\" >> ran\n")
            tool.chmod(0o755)
            tools = plain.write_once_tools(here / "once", str(here / "real"))
            environment = {**os.environ, "PATH": f"{tools}:{here / 'real'}:{os.environ['PATH']}"}
            for words in (["Doxyfile"], ["Doxyfile"], ["--version"], ["--version"], ["Other"]):
                subprocess.run(["doxygen", *words], cwd=here / "doc", env=environment, check=True)
            self.assertEqual((here / "doc/ran").read_text().split(), ["Doxyfile", "--version", "--version", "Other"])
            self.assertFalse((tools / "sphinx-build").exists())


if __name__ == "__main__":
    unittest.main()
