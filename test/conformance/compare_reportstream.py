#!/usr/bin/python3
"""How far `callosum convert` agrees with the public v2-to-FHIR pairs of ReportStream.

For each NAME.hl7 beside a NAME.fhir the message is converted and the two bundles are compared:

* Resources are aligned by content and by what they refer to, never by id or order. Practitioners,
  organizations and the like may be shared by us where the pair repeats them: several expected
  resources may then align with one of ours.
* Leaf elements (path and value) are compared. A list is aligned item by item, best match first. A
  reference agrees when its target is aligned with ours. Times agree when they are the same instant,
  or the same wall clock where the message gives no offset (it takes the zone of whoever transforms it).
* Left out, and counted: resource ids, meta.lastUpdated, the moment of the transformation, extensions
  under the pair's own URLs with all that only they refer to, references that lead nowhere in the
  pair, and the constants of the pair's own installation.

usage: compare_reportstream.py [--callosum PROGRAM] [--data FOLDER] [--threshold PERCENT]
                               [--diff] [--extra] [NAME ...]

NAME: only pairs whose path contains one of them. The last line is the score. Exit code: 0 when the
score reaches the threshold (or the data is absent), 1 when it does not, 2 when nothing could be run.
"""

import argparse
import collections
import datetime
import json
import os
import re
import subprocess
import sys

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
OWN_URLS = ("https://reportstream.cdc.gov/", "http://ibm.com/fhir/")
# Slots of the pair's own extensions are named after v2 places ("XCN.3", "OBX.2"), wherever they hang.
OWN_SLOT = re.compile(r"^[A-Z][A-Z0-9]{1,2}\.\d+$")
# Several expected resources of these types may be one of ours.
SHARED_TYPES = {"Practitioner", "PractitionerRole", "Organization", "Location", "Device", "Endpoint"}
DATE = re.compile(r"^\d{4}(-\d\d(-\d\d(T.*)?)?)?$")


class Excluded:
    """Why leaves of the expectation were left out, and how many."""

    def __init__(self):
        self.counts = collections.Counter()

    def add(self, reason, value):
        self.counts[reason] += count_leaves(value)


def count_leaves(value):
    if isinstance(value, dict):
        return sum(count_leaves(v) for v in value.values())
    if isinstance(value, list):
        return sum(count_leaves(v) for v in value)
    return 1


def is_own_extension(extension):
    url = extension.get("url", "")
    return url.startswith(OWN_URLS) or OWN_SLOT.match(url) is not None


def without_own_extensions(value, excluded):
    """The value without the pair's own extensions; None where nothing else was there."""
    if isinstance(value, list):
        items = [without_own_extensions(v, excluded) for v in value]
        items = [v for v in items if v not in (None, {}, [])]
        return items or None
    if not isinstance(value, dict):
        return value
    result = {}
    for key, child in value.items():
        if key in ("extension", "modifierExtension") and isinstance(child, list):
            kept = [e for e in child if not is_own_extension(e)]
            excluded.add("own extensions", [e for e in child if is_own_extension(e)])
            child = kept
        child = without_own_extensions(child, excluded)
        if child not in (None, {}, []):
            result[key] = child
    if set(result) == {"url"}:  # an extension that held only their own extensions
        excluded.add("own extensions", result)
        return None
    return result


def references(value):
    if isinstance(value, dict):
        for key, child in value.items():
            if key == "reference" and isinstance(child, str):
                yield child
            else:
                yield from references(child)
    elif isinstance(value, list):
        for child in value:
            yield from references(child)


class Resources:
    """The resources of a bundle by the strings that may refer to them."""

    def __init__(self, bundle):
        self.items = []
        self.by_reference = {}
        for entry in bundle.get("entry", []):
            resource = entry.get("resource")
            if not resource:
                continue
            index = len(self.items)
            self.items.append(resource)
            if "fullUrl" in entry:
                self.by_reference[entry["fullUrl"]] = index
            if "id" in resource:
                self.by_reference[resource["resourceType"] + "/" + resource["id"]] = index


# --- preparing the expectation ------------------------------------------------------------------


def parse_time(text):
    text = text.replace("Z", "+00:00")
    try:
        return datetime.datetime.fromisoformat(text)
    except ValueError:
        match = re.match(r"^(.*\.\d{1,6})\d*(.*)$", text)
        if match:
            try:
                return datetime.datetime.fromisoformat(match.group(1).ljust(26, "0") + match.group(2))
            except ValueError:
                return None
        return None


def leave_out_transformation_time(resource, excluded):
    """Of the transformation itself, and of the update of the patient that it was."""
    codes = {c.get("code") for c in resource.get("activity", {}).get("coding", [])}
    if codes & {"v2-FHIR transformation", "UPDATE"} and "recorded" in resource:
        excluded.counts["moment of the transformation"] += 1
        del resource["recorded"]


def prepare(bundle, excluded):
    """Drops from the expected bundle what is not compared; returns the bundle."""
    all_resources = Resources(bundle)
    were_referred = {all_resources.by_reference[r] for item in all_resources.items
                     for r in references(item) if r in all_resources.by_reference}
    stripped = []
    for resource in all_resources.items:
        resource = without_own_extensions(resource, excluded) or {}
        if resource.get("meta", {}).pop("lastUpdated", None):
            excluded.counts["meta.lastUpdated"] += 1
        leave_out_transformation_time(resource, excluded)
        stripped.append(resource)
    reached = reachable(stripped, all_resources, were_referred)
    entries = []
    for index, entry in enumerate(bundle["entry"]):
        resource = stripped[index]
        if index not in reached:
            excluded.add("resources that only own extensions refer to", resource)
            continue
        if is_installation(resource):
            excluded.add("constants of the pair's installation", resource)
            continue
        entries.append({"fullUrl": entry.get("fullUrl"), "resource": resource})
    for resource in (e["resource"] for e in entries):
        drop_references(resource, stripped, all_resources, excluded)
    result = {"resourceType": "Bundle", "type": bundle.get("type"), "entry": entries}
    if "timestamp" in bundle:
        result["timestamp"] = bundle["timestamp"]
    if "identifier" in bundle:
        result["identifier"] = {"value": bundle["identifier"].get("value")}
        excluded.add("constants of the pair's installation", bundle["identifier"].get("system"))
    return result


def reachable(stripped, all_resources, were_referred):
    """Roots are the resources that nobody referred to in the bundle as published."""
    pending = [i for i in range(len(stripped)) if i not in were_referred]
    # Patients and the like are roots too: they exist for the message, not for whom refers to them.
    pending += [i for i, r in enumerate(stripped) if r.get("resourceType") not in SHARED_TYPES]
    reached = set()
    while pending:
        index = pending.pop()
        if index in reached:
            continue
        reached.add(index)
        for reference in references(stripped[index]):
            if reference in all_resources.by_reference:
                pending.append(all_resources.by_reference[reference])
    return reached


def is_installation(resource):
    return resource.get("resourceType") == "Organization" and any(
        i.get("value") == "CDC PRIME - Atlanta" for i in resource.get("identifier", []))


def drop_references(value, stripped, all_resources, excluded):
    """References to what is not compared, and those that lead nowhere in the pair itself."""
    if isinstance(value, list):
        for child in value:
            drop_references(child, stripped, all_resources, excluded)
        value[:] = [v for v in value if v != {}]
    if not isinstance(value, dict):
        return
    for key, child in list(value.items()):
        drop_references(child, stripped, all_resources, excluded)
        if child in ({}, []):
            del value[key]
    reference = value.get("reference")
    if isinstance(reference, str):
        index = all_resources.by_reference.get(reference)
        if index is None or is_installation(stripped[index]):
            excluded.counts["references that lead nowhere in the pair" if index is None else
                            "constants of the pair's installation"] += 1
            del value["reference"]


# --- comparing ----------------------------------------------------------------------------------


def same_time(a, b, local_times):
    if len(a) <= 10 or len(b) <= 10:
        return a == b
    at, bt = parse_time(a), parse_time(b)
    if at is None or bt is None:
        return a == b
    if at.replace(tzinfo=None) == bt.replace(tzinfo=None) and at.strftime("%Y%m%d%H%M") in local_times:
        return True
    return at.tzinfo is not None and bt.tzinfo is not None and at == bt


def times_without_offset(message):
    """The minutes (YYYYMMDDHHMM) that the message names without saying in which zone."""
    return {m.group(1) for m in re.finditer(r"(?<!\d)(\d{12})(\d\d(\.\d+)?)?(?![\d.+-])", message)}


def same_scalar(a, b, local_times):
    if a == b and isinstance(a, bool) == isinstance(b, bool):
        return True
    if isinstance(a, bool) or isinstance(b, bool):
        return False
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return a == b
    if isinstance(a, str) and isinstance(b, str) and DATE.match(a) and DATE.match(b):
        return same_time(a, b, local_times)
    return False


class Comparison:
    def __init__(self, expected_bundle, actual_bundle, message):
        self.expected = Resources(expected_bundle)
        self.actual = Resources(actual_bundle)
        self.aligned = {}  # index in expected -> index in actual
        self.local_times = times_without_offset(message)

    def same_reference(self, expected, actual):
        index = self.expected.by_reference.get(expected)
        if index is None:
            return expected == actual
        target = self.actual.by_reference.get(actual)
        if target is None:
            return False
        if self.aligned:
            return self.aligned.get(index) == target
        return (self.expected.items[index]["resourceType"] ==
                self.actual.items[target]["resourceType"])

    def agreed(self, expected, actual, path=None, notes=None):
        """The number of leaves of `expected` that `actual` agrees with; differences go to `notes`."""
        if isinstance(expected, dict):
            if not isinstance(actual, dict):
                self.note_missing(expected, path, notes)
                return 0
            return sum(self.agreed_member(k, v, actual, path, notes) for k, v in expected.items())
        if isinstance(expected, list):
            return self.agreed_list(expected, actual, path, notes)
        if same_scalar(expected, actual, self.local_times):
            return 1
        if notes is not None:
            notes.append((path, expected, actual))
        return 0

    def agreed_member(self, key, expected, actual, path, notes):
        below = None if notes is None else path + "." + key
        if key == "reference" and isinstance(expected, str):
            given = actual.get(key)
            if isinstance(given, str) and self.same_reference(expected, given):
                return 1
            if notes is not None:
                notes.append((below, self.name_of(self.expected, expected),
                              self.name_of(self.actual, given)))
            return 0
        if key not in actual:
            self.note_missing(expected, below, notes)
            return 0
        return self.agreed(expected, actual[key], below, notes)

    @staticmethod
    def name_of(resources, reference):
        index = resources.by_reference.get(reference)
        return reference if index is None else "%s #%d" % (
            resources.items[index]["resourceType"], index)

    def note_missing(self, expected, path, notes):
        if notes is None:
            return
        if isinstance(expected, dict):
            for key, child in expected.items():
                self.note_missing(child, path + "." + key, notes)
        elif isinstance(expected, list):
            for index, child in enumerate(expected):
                self.note_missing(child, "%s[%d]" % (path, index), notes)
        else:
            notes.append((path, expected, None))

    def agreed_list(self, expected, actual, path, notes):
        if not isinstance(actual, list):
            actual = []
        scores = []
        for i, one in enumerate(expected):
            for j, other in enumerate(actual):
                score = self.agreed(one, other)
                if isinstance(one, dict) and one.get("url") and isinstance(other, dict):
                    score = score if one["url"] == other.get("url") else 0
                if score:
                    scores.append((-score, abs(i - j), i, j))
        pairs, taken = {}, set()
        for _, _, i, j in sorted(scores):
            if i not in pairs and j not in taken:
                pairs[i] = j
                taken.add(j)
        total = 0
        for i, one in enumerate(expected):
            below = None if notes is None else "%s[%d]" % (path, i)
            if i in pairs:
                total += self.agreed(one, actual[pairs[i]], below, notes)
            else:
                self.note_missing(one, below, notes)
        return total

    def align(self):
        """Content first, then with the references of the round before, until it is stable."""
        for _ in range(6):
            scores = []
            for i, one in enumerate(self.expected.items):
                for j, other in enumerate(self.actual.items):
                    if one["resourceType"] == other["resourceType"]:
                        agreed = self.agreed(self.content(one), self.content(other))
                        surplus = count_leaves(other) - agreed
                        scores.append((-agreed + self.distance(i, j), surplus, abs(i - j), i, j))
            aligned = self.assign(sorted(scores))
            if aligned == self.aligned:
                return
            self.aligned = aligned

    def assign(self, scores):
        """Best pairs first. One of ours is taken once; what may be shared shares only its best."""
        aligned, taken, best = {}, set(), {}
        for score, _, _, i, j in scores:
            best.setdefault(i, (score, j))
        for score, _, _, i, j in scores:
            if i in aligned:
                continue
            is_shared = self.expected.items[i]["resourceType"] in SHARED_TYPES
            if j not in taken:
                if is_shared and score > best[i][0]:
                    j = best[i][1]
                aligned[i] = j
                taken.add(j)
        for i, (_, j) in best.items():
            if i not in aligned and self.expected.items[i]["resourceType"] in SHARED_TYPES:
                aligned[i] = j
        return aligned

    def distance(self, i, j):
        """Up to a leaf off where what refers to the two is not aligned."""
        if not self.aligned:
            return 0
        mine = self.referrers(self.expected).get(i, ())
        theirs = set(self.referrers(self.actual).get(j, ()))
        agreeing = sum((self.aligned.get(r), p) in theirs for r, p in mine)
        return 0 if not mine else 0.9 * (1 - agreeing / len(mine))

    @staticmethod
    def referrers(resources):
        if not hasattr(resources, "referrers"):
            table = collections.defaultdict(list)
            for index, item in enumerate(resources.items):
                for key, value in item.items():
                    for reference in references(value):
                        target = resources.by_reference.get(reference)
                        if target is not None:
                            table[target].append((index, key))
            resources.referrers = table
        return resources.referrers

    @staticmethod
    def content(resource):
        return {k: v for k, v in resource.items() if k not in ("id", "resourceType")}


class Score:
    def __init__(self):
        self.pairs = self.agreed = self.expected = self.extra = self.failed = 0


def compare_pair(expected_bundle, actual_bundle, message, excluded):
    """(agreed, expected, leaves of ours that the pair does not have, notes, comparison)."""
    expected_bundle = prepare(expected_bundle, excluded)
    comparison = Comparison(expected_bundle, actual_bundle, message)
    comparison.align()
    header = {k: v for k, v in expected_bundle.items() if k not in ("entry", "resourceType")}
    notes = []
    agreed = comparison.agreed(header, actual_bundle, "Bundle", notes)
    total = count_leaves(header)
    for i, one in enumerate(comparison.expected.items):
        path = "%s #%d" % (one["resourceType"], i)
        total += count_leaves(comparison.content(one)) + 1  # that it exists is a leaf of its own
        j = comparison.aligned.get(i)
        if j is None:
            notes.append((path, "a resource", None))
            comparison.note_missing(comparison.content(one), path, notes)
            continue
        agreed += 1
        other = comparison.actual.items[j]
        agreed += comparison.agreed(comparison.content(one), other, path, notes)
    ours = sum(count_leaves(comparison.content(r)) + 1 for r in comparison.actual.items)
    return agreed, total, ours - agreed, notes, comparison


def print_diff(name, notes, comparison, with_extra):
    print("\n== " + name)
    for path, expected, actual in notes:
        print("  %s: expected %s, got %s" % (path, json.dumps(expected), json.dumps(actual)))
    if with_extra:
        taken = set(comparison.aligned.values())
        for j, resource in enumerate(comparison.actual.items):
            if j not in taken:
                print("  not in the pair: " + json.dumps(resource)[:300])


def convert(program, path):
    run = subprocess.run([program, "convert", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         timeout=60, check=False)
    if run.returncode != 0:
        return None, run.stderr.decode("utf-8", "replace").strip()
    return json.loads(run.stdout), ""


def find_pairs(data, names):
    for folder, _, files in sorted(os.walk(data)):
        for name in sorted(files):
            path = os.path.join(folder, name)
            pair = path[:-4] + ".fhir"
            if name.endswith(".hl7") and os.path.exists(pair):
                if not names or any(n in path for n in names):
                    yield os.path.relpath(folder, data), path, pair


def main():
    parser = argparse.ArgumentParser(usage=__doc__, add_help=True)
    parser.add_argument("--callosum", default=os.path.join(ROOT, "build", "src", "main", "callosum"))
    parser.add_argument("--data", default=os.path.join(ROOT, "..", "shared", "data", "reportstream"))
    parser.add_argument("--threshold", type=float, default=0)
    parser.add_argument("--diff", action="store_true")
    parser.add_argument("--extra", action="store_true")
    parser.add_argument("--paths", action="store_true", help="the differences counted by path")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    if not os.path.isdir(options.data):
        print("skipped: the reportstream pairs are not on this machine")
        return 0
    if not os.access(options.callosum, os.X_OK):
        print("cannot run " + options.callosum, file=sys.stderr)
        return 2
    folders, total, excluded = collections.OrderedDict(), Score(), Excluded()
    by_path = collections.defaultdict(list)
    for folder, message, pair in find_pairs(options.data, options.names):
        score = folders.setdefault(folder, Score())
        with open(pair, encoding="utf-8-sig") as file:
            expected = json.load(file)
        with open(message, encoding="latin-1") as file:
            text = file.read()
        actual, why = convert(options.callosum, message)
        if actual is None:
            print("%s: not converted: %s" % (os.path.basename(message), why))
            actual = {"resourceType": "Bundle", "entry": []}
            score.failed += 1
        agreed, leaves, extra, notes, comparison = compare_pair(expected, actual, text, excluded)
        for one in (score, total):
            one.pairs += 1
            one.agreed += agreed
            one.expected += leaves
            one.extra += extra
        for path, want, got in notes:
            by_path[re.sub(r"(\[\d+\]| #\d+)", "", path)].append((want, got, os.path.basename(pair)))
        if options.diff:
            print_diff(os.path.basename(message), notes, comparison, options.extra)
    if options.paths:
        for path, cases in sorted(by_path.items(), key=lambda item: -len(item[1])):
            print("%5d %s  e.g. %s got %s (%s)" % ((len(cases), path) + tuple(
                json.dumps(c)[:70] for c in cases[0][:2]) + (cases[0][2],)))
    print_table(folders, total, excluded)
    percent = 100.0 * total.agreed / total.expected if total.expected else 0.0
    print("reportstream: %.1f %% of %d elements agree (%d of %d pairs converted)" % (
        percent, total.expected, total.pairs - sum(f.failed for f in folders.values()), total.pairs))
    return 0 if percent >= options.threshold else 1


def print_table(folders, total, excluded):
    print("\n%-24s %6s %8s %9s %7s %7s" % ("folder", "pairs", "agreed", "expected", "%", "extra"))
    for name, score in list(folders.items()) + [("total", total)]:
        print("%-24s %6d %8d %9d %7.1f %7d" % (
            name, score.pairs, score.agreed, score.expected,
            100.0 * score.agreed / score.expected if score.expected else 0, score.extra))
    for reason, count in excluded.counts.most_common():
        print("not compared: %6d  %s" % (count, reason))
    print()


if __name__ == "__main__":
    sys.exit(main())
