"""A line per fix, totals, and the table of docs/coverage.md."""
import statistics
from collections import Counter

from scoring.rows import ALLOWED, AUTHORED, AUTOMATIC, BROKEN, NO_CHANGE, OUTCOMES

# Classes of the list whose fixes change what exists in a live process; the target for all others is higher.
THOUGHT = ("struct_layout", "signature_global", "data_change")
GOOD = (AUTOMATIC, ALLOWED, AUTHORED)
REASON_LENGTH = 160
LEAST_COMPILED_SECONDS = 1  # less: both builds were there already, and a proportion to them says nothing
LARGE_MIB = 16  # object sets below that say nothing of memory: the program itself needs about as much


def one_line(result):
    """Short enough for a table, and never without the reason."""
    text = " ".join((result.get("reason") or "").split())
    return text if len(text) <= REASON_LENGTH else text[:REASON_LENGTH - 1] + "…"


def line(result):
    times = f"build {result['build_seconds']:.0f} s" if "build_seconds" in result else "not built"
    stop = f", stop {result['stop_us']} us, {result['redirects']} redirects in {result['images']} images" if "stop_us" in result else ""
    reason = f": {one_line(result)}" if result.get("reason") else ""
    return f"{result['outcome']:<27} {result['package']} {result['patch']} [{result['class']}] {times}{stop}{reason}"


def share(results):
    """Of those that have something to patch and that the package's own build can build."""
    counted = [r for r in results if r["outcome"] not in (NO_CHANGE, BROKEN)]
    return sum(r["outcome"] in GOOD for r in counted), sum(r["outcome"] == AUTOMATIC for r in counted), len(counted)


def totals(results, rows):
    counts = Counter(r["outcome"] for r in results)
    simple = [r for r in results if r["class"] not in THOUGHT]
    good, automatic, counted = share(results)
    _, simple_automatic, simple_counted = share(simple)
    return {"rows": rows, "run": len(results), "outcomes": {name: counts[name] for name in OUTCOMES if counts[name]},
            "all": {"live": good, "automatic": automatic, "of": counted},
            "without_layout_signature_data": {"automatic": simple_automatic, "of": simple_counted}, "cost": cost(results)}


def percent(part, whole):
    return f"{100 * part / whole:.1f} %" if whole else "-"


def beyond_compilations(result):
    return (result["build_seconds"] - result["compile_seconds"]) / result["compile_seconds"]


def cost(results):
    built = [r for r in results if "compile_seconds" in r]
    if not built:
        return {}
    compiled = [r for r in built if r["compile_seconds"] >= LEAST_COMPILED_SECONDS]
    beyond = [beyond_compilations(r) for r in compiled]
    whole = [beyond_compilations(r) for r in compiled if r["first_of_package"]]  # the others compile little
    memory = [r["peak_mib"] / r["objects_mib"] for r in built if r["objects_mib"] >= LARGE_MIB]
    second = [r["second_fix_seconds"] / r["build_seconds"] for r in results if "second_fix_seconds" in r]
    second_cpu = [r["second_fix_cpu_seconds"] / r["build_cpu_seconds"] for r in results if "second_fix_cpu_seconds" in r]
    ratios = []
    for package in {r["package"] for r in built}:
        first = [r["build_seconds"] for r in built if r["package"] == package and r["first_of_package"]]
        later = [r["build_seconds"] for r in built if r["package"] == package and not r["first_of_package"]]
        if first and later:
            ratios.append(statistics.median(later) / first[0])
    stops = [r["stop_us"] for r in results if "stop_us" in r]
    return {"beyond_compilations_of_a_whole_build_median": round(statistics.median(whole), 3) if whole else None,
            "beyond_compilations_of_a_whole_build_max": round(max(whole), 3) if whole else None,
            "beyond_compilations_median": round(statistics.median(beyond), 3) if beyond else None,
            "beyond_compilations_max": round(max(beyond), 3) if beyond else None,
            f"peak_to_objects_from_{LARGE_MIB}_mib_median": round(statistics.median(memory), 2) if memory else None,
            f"peak_to_objects_from_{LARGE_MIB}_mib_max": round(max(memory), 2) if memory else None,
            "second_fix_of_an_unchanged_source_to_the_first_median": round(statistics.median(second), 3) if second else None,
            "second_fix_of_an_unchanged_source_to_the_first_max": round(max(second), 3) if second else None,
            "second_fix_by_processor_time_median": round(statistics.median(second_cpu), 3) if second_cpu else None,
            "second_fix_by_processor_time_max": round(max(second_cpu), 3) if second_cpu else None,
            "later_fix_of_the_series_to_the_first_median": round(statistics.median(ratios), 3) if ratios else None,
            "stop_us_median": statistics.median(stops) if stops else None, "stop_us_max": max(stops) if stops else None}


def text(results, rows):
    sums = totals(results, rows)
    lines = [f"{sums['run']} of {rows} fixes were run"]
    lines += [f"  {count:5d}  {name}" for name, count in sums["outcomes"].items()]
    good = sums["all"]
    simple = sums["without_layout_signature_data"]
    lines.append(f"of those that change object code: {good['live']} of {good['of']} live ({percent(good['live'], good['of'])}), "
                 f"{good['automatic']} automatic ({percent(good['automatic'], good['of'])})")
    lines.append(f"without {', '.join(THOUGHT)}: {simple['automatic']} of {simple['of']} automatic ({percent(simple['automatic'], simple['of'])})")
    lines += [f"  {name.replace('_', ' ')}: {value}" for name, value in sums["cost"].items()]
    return "\n".join(lines)


def by_key(results, key, title):
    names = sorted({r[key] for r in results})
    shown = [o for o in OUTCOMES if any(r["outcome"] == o for r in results)]
    lines = [f"| {title} | run | " + " | ".join(shown) + " |", "|---|" + "---|" * (len(shown) + 1)]
    for name in names:
        some = [r for r in results if r[key] == name]
        counts = Counter(r["outcome"] for r in some)
        lines.append(f"| {name} | {len(some)} | " + " | ".join(str(counts[o] or "") for o in shown) + " |")
    return lines


def markdown(results, rows):
    """The measured part of docs/coverage.md."""
    lines = ["```", text(results, rows), "```", "", "By class of the list:", "", *by_key(results, "class", "class"), "",
             "By package:", "", *by_key(results, "package", "package"), "", "Every fix that is not automatic, with its reason:", "",
             "| package | patch | class | outcome | reason |", "|---|---|---|---|---|"]
    for r in results:
        if r["outcome"] != AUTOMATIC:
            lines.append(f"| {r['package']} | {r['patch']} | {r['class']} | {r['outcome']} | {one_line(r).replace('|', chr(92) + '|')} |")
    lines += ["", "Every fix that is:", "", "| package | patch | class | build s | stop µs | redirects | validations |", "|---|---|---|---|---|---|---|"]
    for r in results:
        if r["outcome"] == AUTOMATIC:
            lines.append(f"| {r['package']} | {r['patch']} | {r['class']} | {r['build_seconds']} | {r['stop_us']} | {r['redirects']} | {r['validations']} |")
    return "\n".join(lines) + "\n"
