#!/usr/bin/python3
"""Checks the reference facts of a seed folder before anything loads them.

    check.py [FOLDER]        (default: the folder of this file)

Prints one line a fault, `file:row: what is wrong` (row 1 is the header; a quoted newline does not count), and exits 1
if there is any. It guards: every reference leads somewhere, every key is unique, every matter that can be filed has
exactly one owner, no two versions of a rule are in force on one day, and the calendar counts as the notices do.
"""
import datetime
import os
import re
import sys

sys.dont_write_bytecode = True  # the folder is loaded as it stands: nothing may appear in it

from reading import Seed
from routing import Routing, ancestors, in_force, replaced

TODAY = datetime.date.today()
PROVINCE = "37"
LEVEL_OF_LENGTH = {2: ("province",), 4: ("city",), 6: ("county", "zone"), 9: ("town",)}
PARENT_LENGTH = {4: 2, 6: 4, 9: 6}
# The divisions in force, as the statistics bureau counted them for 2023; change it with the file.
DIVISIONS_IN_FORCE = {"province": 1, "city": 16, "county": 136, "zone": 15, "town": 1853}
ENFORCEMENT_LEAF = "城管执法"  # outside systems file under this name

# Working days of the years that are announced; a new year is held to the range until it is added here.
WORKING_DAYS = {2021: 250, 2022: 249, 2023: 249, 2024: 251, 2025: 248, 2026: 248}
WORKING_DAYS_RANGE = (240, 256)

DEADLINE_KINDS = ("dispatch", "sign", "return", "contact", "reply", "visit",
                  "order_county", "order_city", "order_province", "extend_max")
TERM_UNITS = ("hours", "natural_days", "working_days", "months")
LADDERS = {  # clock kind -> the rungs it may have, in order
    "dispatch": ("yellow", "red"),
    "sign": ("yellow", "red"),
    "contact": ("yellow", "red"),
    "visit": ("yellow", "red"),
    "reply": ("yellow", "red", "l1", "l2", "l3", "report"),
    "order": ("l2", "l3", "report"),
}
CARD_KINDS = tuple(kind for kind in LADDERS if kind != "order")
CARD_ANCHORS = {"yellow": "working_days_before_due_on", "red": "first_working_day_after_due_on"}  # for every clock
STEP_TERMS = {"l3": "order_city", "report": "order_province"}  # an order's own term is the way to the next step
ANCHORS = ("working_days_before_due_on", "first_working_day_after_due_on", "term_after_previous",
           "hours_before_due_at", "at_due_at")
ROLES = ("hotline", "unit", "supervisor", "operator", "importer", "edge", "service")

CODE = re.compile(r"[a-z0-9][a-z0-9_-]*\Z")
DIVISION = re.compile(r"(\d{2}|\d{4}|\d{6}|\d{9})\Z")
SOURCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\*?\Z")
HEX64 = re.compile(r"[0-9a-f]{64}\Z")
Z85_40 = re.compile(r"[0-9A-Za-z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}\Z")


def check_divisions(seed):
    seed.unique("divisions", "code")
    by_code = {row["code"]: row for row in seed.rows["divisions"]}
    count = dict.fromkeys(DIVISIONS_IN_FORCE, 0)
    for row in by_code.values():
        code = row["code"]
        seed.window("divisions", row)
        seed.required("divisions", row, "name")
        if not DIVISION.match(code) or not code.startswith(PROVINCE):
            seed.fault("divisions", row["#"], "code %r is not a division of %s" % (code, PROVINCE))
            continue
        seed.one_of("divisions", row, "level", LEVEL_OF_LENGTH[len(code)])
        if len(code) == 6 and (71 <= int(code[4:]) <= 79) != (row["level"] == "zone"):
            seed.fault("divisions", row["#"], "codes 71 to 79 are zones, and only they")
        parent = code[:PARENT_LENGTH.get(len(code), 0)]
        if row["parent"] != parent:
            seed.fault("divisions", row["#"], "parent is %r, not %r" % (row["parent"], parent))
        elif parent and parent not in by_code:
            seed.fault("divisions", row["#"], "parent %s is not there" % parent)
        if row["replaced_by"]:
            check_replaced(seed, row, by_code)
        if row["level"] in count and in_force(row, TODAY):
            count[row["level"]] += 1
    if count != DIVISIONS_IN_FORCE:
        seed.fault("divisions", 0, "in force are %s, expected %s" % (count, DIVISIONS_IN_FORCE))


def check_replaced(seed, row, by_code):
    if row["valid_to"] == "":
        seed.fault("divisions", row["#"], "is replaced but has no valid_to")
    seen, code = set(), row["code"]
    while by_code[code]["replaced_by"]:
        seen.add(code)
        code = by_code[code]["replaced_by"]
        if code not in by_code or code in seen:
            seed.fault("divisions", row["#"], "replaced_by leads to %s, which is not there or a circle" % code)
            return


def check_units(seed):
    seed.unique("units", "code")
    divisions = {row["code"]: row for row in seed.rows["divisions"]}
    for row in seed.rows["units"]:
        seed.window("units", row)
        seed.required("units", row, "code", "name")
        seed.one_of("units", row, "kind", ("default", "supervision", "department"))
        if not CODE.match(row["code"]):
            seed.fault("units", row["#"], "code %r is not lower-case ASCII" % row["code"])
        if row["division"] not in divisions:
            seed.fault("units", row["#"], "division %s is not there" % row["division"])
        elif not row["code"].startswith(row["division"] + "-"):
            seed.fault("units", row["#"], "code does not begin with its division")
        if (row["kind"] == "department") != (row["department"] != ""):
            seed.fault("units", row["#"], "a department has a department key, and nothing else has")
    seed.disjoint("units", "division", "kind", "department")
    check_bodies(seed, divisions)


def check_bodies(seed, divisions):
    """Each division has one default unit, each down to counties and zones one supervision body."""
    have = {(row["division"], row["kind"]) for row in seed.rows["units"] if in_force(row, TODAY)}
    for code, row in divisions.items():
        if not in_force(row, TODAY):
            continue
        if (code, "default") not in have:
            seed.fault("units", 0, "division %s has no default unit" % code)
        if row["level"] != "town" and (code, "supervision") not in have:
            seed.fault("units", 0, "division %s has no supervision body" % code)
        if row["level"] == "town" and (code, "supervision") in have:
            seed.fault("units", 0, "town %s has a supervision body: it is its county's" % code)


def check_categories(seed):
    for column in ("code", "name_zh", "name_en"):
        seed.unique("categories", column)
    by_code = {row["code"]: row for row in seed.rows["categories"]}
    parents = {row["parent"] for row in by_code.values()}
    for row in by_code.values():
        seed.required("categories", row, "code", "name_zh", "name_en")
        seed.one_of("categories", row, "leaf", ("0", "1"))
        if not re.match(r"[a-z][a-z0-9_]*\Z", row["code"]):
            seed.fault("categories", row["#"], "code %r is not lower_snake" % row["code"])
        if row["parent"] and row["parent"] not in by_code:
            seed.fault("categories", row["#"], "parent %s is not there" % row["parent"])
        elif row["parent"] and by_code[row["parent"]]["leaf"] != "0":
            seed.fault("categories", row["#"], "parent %s is a leaf" % row["parent"])
        if (row["code"] in parents) == (row["leaf"] == "1"):
            seed.fault("categories", row["#"], "a leaf has no children, a group has some")
        if len(ancestors(by_code, row["code"])) > 8:
            seed.fault("categories", row["#"], "its parents go round in a circle or too deep")
    other = by_code.get("other", {"leaf": "0", "parent": "", "#": 0})
    if other["leaf"] != "1" or other["parent"]:
        seed.fault("categories", other["#"], "`other` is not a leaf at the top")
    if not any(row["name_zh"] == ENFORCEMENT_LEAF and row["leaf"] == "1" for row in by_code.values()):
        seed.fault("categories", 0, "no leaf is named %s" % ENFORCEMENT_LEAF)


def check_routes(seed):
    seed.unique("routes", "division", "category")
    divisions = {row["code"]: row for row in seed.rows["divisions"]}
    categories = {row["code"] for row in seed.rows["categories"]}
    units = {row["code"]: row for row in seed.rows["units"]}
    departments = {row["department"] for row in seed.rows["units"] if row["department"]}
    for row in seed.rows["routes"]:
        if row["division"] not in divisions or replaced(divisions[row["division"]], TODAY):
            seed.fault("routes", row["#"], "division %s is not there or replaced" % row["division"])
        if row["category"] not in categories:
            seed.fault("routes", row["#"], "category %s is not there" % row["category"])
        if (row["department"] == "") == (row["unit"] == ""):
            seed.fault("routes", row["#"], "names not exactly one of department and unit")
        if row["department"] and row["department"] not in departments:
            seed.fault("routes", row["#"], "department %s has no unit anywhere" % row["department"])
        if row["unit"] and row["unit"] not in units:
            seed.fault("routes", row["#"], "unit %s is not there" % row["unit"])


def check_owners(seed):
    """Every division, replaced ones included, and every leaf: an owner that stands at or above the division."""
    routing = Routing(seed.rows, TODAY)
    leaves = [row["code"] for row in seed.rows["categories"] if row["leaf"] == "1"]
    divisions_of = {row["code"]: row["division"] for row in seed.rows["units"]}
    for row in seed.rows["divisions"]:
        path = ancestors(routing.divisions, routing.division_now(row["code"]))
        for leaf in leaves:
            unit = routing.resolve(row["code"], leaf)
            if unit is None:
                seed.fault("divisions", row["#"], "a matter of %s, %s has no owner" % (row["code"], leaf))
            elif divisions_of[unit] not in path:
                seed.fault("divisions", row["#"], "a matter of %s, %s goes aside to %s" % (row["code"], leaf, unit))


def check_calendar(seed):
    seed.unique("calendar_notices", "year")
    seed.unique("calendar_notices", "notice")
    seed.unique("calendar_days", "day")
    years = {}
    for row in seed.rows["calendar_notices"]:
        seed.required("calendar_notices", row, "notice", "title", "source")
        year = seed.number("calendar_notices", row, "year", 1990, 2199)
        published = seed.date("calendar_notices", row, "published_on")
        if year is None or published is None or not 0 <= year - published.year <= 1:
            seed.fault("calendar_notices", row["#"], "was not published in or before its year")
        years[row["year"]] = 0
    marked = {}
    for row in seed.rows["calendar_days"]:
        seed.required("calendar_days", row, "day", "festival")
        seed.one_of("calendar_days", row, "kind", ("off", "work"))
        day = seed.date("calendar_days", row, "day")
        if row["year"] not in years:
            seed.fault("calendar_days", row["#"], "year %s has no notice" % row["year"])
            continue
        years[row["year"]] += 1
        if day is None:
            continue
        marked[day] = row["kind"]
        # A notice may reach into the last days of the year before (2022-12-31 belongs to the notice for 2023).
        if str(day.year) != row["year"] and (day + datetime.timedelta(7)).year != int(row["year"]):
            seed.fault("calendar_days", row["#"], "%s is not a day of %s" % (day, row["year"]))
        if row["kind"] == "work" and day.weekday() < 5:
            seed.fault("calendar_days", row["#"], "%s is a make-up working day but no weekend day" % day)
    for row in seed.rows["calendar_notices"]:
        if row["year"].isdigit():
            check_year(seed, row, marked, years[row["year"]])


def check_year(seed, row, marked, days):
    year = int(row["year"])
    day, count = datetime.date(year, 1, 1), 0
    while day.year == year:
        count += marked.get(day, "work" if day.weekday() < 5 else "off") == "work"
        day += datetime.timedelta(1)
    low, high = WORKING_DAYS_RANGE
    if days == 0:
        seed.fault("calendar_notices", row["#"], "announces no day")
    if year in WORKING_DAYS and count != WORKING_DAYS[year]:
        seed.fault("calendar_notices", row["#"], "%d has %d working days, not %d" % (year, count, WORKING_DAYS[year]))
    elif not low <= count <= high:
        seed.fault("calendar_notices", row["#"], "%d has %d working days: not likely" % (year, count))


def check_rule(seed, kind, row):
    seed.window(kind, row)
    seed.number(kind, row, "version", 1, 100000)
    seed.required(kind, row, "basis_zh", "basis_en")
    if not CODE.match(row["id"]):
        seed.fault(kind, row["#"], "id %r is not lower-case ASCII" % row["id"])


def check_deadlines(seed):
    seed.unique("deadline_rules", "id", "version")
    for row in seed.rows["deadline_rules"]:
        check_rule(seed, "deadline_rules", row)
        seed.one_of("deadline_rules", row, "kind", DEADLINE_KINDS)
        seed.one_of("deadline_rules", row, "unit", TERM_UNITS)
        seed.one_of("deadline_rules", row, "roll", ("0", "1"))
        seed.number("deadline_rules", row, "count", 1, 10000)
        if row["roll"] == "1" and row["unit"] not in ("natural_days", "months"):
            seed.fault("deadline_rules", row["#"], "only natural days and months can end on a day off and roll")
    seed.disjoint("deadline_rules", "kind")
    check_covered(seed, "deadline_rules", {(kind,) for kind in DEADLINE_KINDS}, "kind")


def check_ladders(seed):
    seed.unique("ladder_rules", "id", "version")
    for row in seed.rows["ladder_rules"]:
        check_rule(seed, "ladder_rules", row)
        seed.one_of("ladder_rules", row, "kind", tuple(LADDERS))
        seed.one_of("ladder_rules", row, "rung", LADDERS.get(row["kind"], ()))
        seed.one_of("ladder_rules", row, "anchor", ANCHORS)
        count = seed.number("ladder_rules", row, "count", 0, 10000)
        counts = row["anchor"] in ("working_days_before_due_on", "hours_before_due_at", "term_after_previous")
        if count is not None and counts != (count > 0):
            seed.fault("ladder_rules", row["#"], "count %d does not go with %s" % (count, row["anchor"]))
        if (row["unit"] in TERM_UNITS) != (row["anchor"] == "term_after_previous"):
            seed.fault("ladder_rules", row["#"], "unit goes with term_after_previous, and only with it")
        if row["kind"] in CARD_KINDS and row["anchor"] != CARD_ANCHORS.get(row["rung"], row["anchor"]):
            seed.fault("ladder_rules", row["#"], "a %s card is due by %s" % (row["rung"], CARD_ANCHORS[row["rung"]]))
        first = LADDERS.get(row["kind"], ("",))[0]
        if row["rung"] == first and row["anchor"] == "term_after_previous":
            seed.fault("ladder_rules", row["#"], "the first rung follows no other")
    seed.disjoint("ladder_rules", "kind", "rung")
    needed = {(kind, "red") for kind in CARD_KINDS}
    needed |= {("reply", rung) for rung in LADDERS["reply"]} | {("order", rung) for rung in LADDERS["order"]}
    check_covered(seed, "ladder_rules", needed, "kind", "rung")
    check_step_terms(seed)


def check_step_terms(seed):
    """Orders of every trigger climb by the same steps, so a step and the term that leads to it are one number."""
    terms = {row["kind"]: row for row in seed.rows["deadline_rules"] if not row["valid_to"]}
    for row in seed.rows["ladder_rules"]:
        term = terms.get(STEP_TERMS.get(row["rung"])) if row["kind"] == "order" and not row["valid_to"] else None
        if term and (term["count"], term["unit"]) != (row["count"], row["unit"]):
            seed.fault("ladder_rules", row["#"], "%s is not the term %s" % (row["id"], term["kind"]))


def check_covered(seed, kind, needed, *columns):
    """Every rule that the house needs is in force today and for ever after."""
    have = {tuple(row[column] for column in columns) for row in seed.rows[kind]
            if row["window"][1] == datetime.date.max}
    for key in sorted(needed - have):
        seed.fault(kind, 0, "no rule without an end for %s" % "/".join(key))


def check_principals(seed):
    seed.unique("principals", "id", "key_id")
    divisions = {row["code"] for row in seed.rows["divisions"]}
    units = {row["code"] for row in seed.rows["units"]}
    for row in seed.rows["principals"]:
        seed.required("principals", row, "id", "key_id", "name", "roles")
        seed.one_of("principals", row, "revoked", ("0", "1"))
        for role in row["roles"].split("|"):
            if role not in ROLES:
                seed.fault("principals", row["#"], "role %r is none of %s" % (role, " ".join(ROLES)))
        if row["jurisdiction"] and row["jurisdiction"] not in divisions:
            seed.fault("principals", row["#"], "jurisdiction %s is not there" % row["jurisdiction"])
        for unit in filter(None, row["units"].split("|")):
            if unit not in units:
                seed.fault("principals", row["#"], "unit %s is not there" % unit)
        for source in filter(None, row["sources"].split("|")):
            if not SOURCE.match(source):
                seed.fault("principals", row["#"], "source %r is no name, with * at its end at most" % source)
        if row["curve_public"] and not Z85_40.match(row["curve_public"]):
            seed.fault("principals", row["#"], "curve_public is not a Z85 key")
        if row["token_sha256"] and not HEX64.match(row["token_sha256"]):
            seed.fault("principals", row["#"], "token_sha256 is not 64 hexadecimal digits")
        if not row["curve_public"] and not row["token_sha256"]:
            seed.fault("principals", row["#"], "has neither a key nor a token")


def main(argv):
    seed = Seed(argv[1] if len(argv) > 1 else os.path.dirname(os.path.abspath(__file__)))
    if not seed.faults:  # a file that cannot be read would only drown its fault in others
        for check in (check_divisions, check_units, check_categories, check_routes, check_calendar,
                      check_deadlines, check_ladders, check_principals):
            check(seed)
    if not seed.faults:  # nor can owners be looked for on broken references
        check_owners(seed)
    for name, row, text in seed.faults:
        print("%s:%d: %s" % (name, row, text))
    if seed.faults:
        return 1
    print(", ".join("%d %s" % (len(rows), kind) for kind, rows in seed.rows.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
