"""The shipped seed is sound, and check.py finds each kind of fault at its row."""
import pathlib
import shutil
import subprocess
import sys

import pytest

SEED = pathlib.Path(__file__).resolve().parent.parent


def check(folder):
    done = subprocess.run([sys.executable, str(SEED / "check.py"), str(folder)],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", check=False)
    assert done.stderr == ""
    return done.returncode, done.stdout


@pytest.fixture
def copy(tmp_path):
    for file in SEED.glob("*.csv"):
        shutil.copy(file, tmp_path)
    return tmp_path


def row_of(file, start):
    return next(n for n, line in enumerate(file.read_text("utf-8").split("\n"), 1) if line.startswith(start))


def test_shipped_seed_is_sound():
    code, out = check(SEED)
    assert code == 0, out
    assert "2024 divisions" in out


def test_announced_successor_waits_for_its_day(copy):
    """A division that will be replaced keeps its units, and is counted, until valid_to."""
    file = copy / "divisions.csv"
    text = file.read_text("utf-8")
    row = "370102,历下区,county,3701,,%s,370103"
    file.write_text(text.replace("370102,历下区,county,3701,,,", row % "2199-01-01"), "utf-8")
    assert check(copy)[0] == 0
    file.write_text(text.replace("370102,历下区,county,3701,,,", row % "2020-01-01"), "utf-8")
    code, out = check(copy)
    assert code == 1
    assert "'county': 135" in out


# file, the line that begins so, what it becomes (None = removed), what check.py must say of it
FAULTS = [
    ("divisions.csv", "370102,", "370102,历下区,county,3702,,,", "parent is '3702'"),
    ("divisions.csv", "370102,", "370102,历下区,zone,3701,,,", "71 to 79 are zones"),
    ("divisions.csv", "370102,", "370103,历下区,county,3701,,,", "stands in row"),
    ("divisions.csv", "371202,", "371202,莱城区,county,3712,,2018-12-26,370199", "not there or a circle"),
    ("divisions.csv", "371202,", "371202,莱城区,county,3712,2019-01-01,2018-12-26,370116", "in force on no day"),
    ("divisions.csv", "371202,", "371202,莱城区,county,3712,,,370116", "has no valid_to"),
    ("divisions.csv", "371202,", "371202,莱城区,county,3712,,2018-13-26,370116", "is not a date"),
    ("divisions.csv", "371202,", "371202,莱城区,county,3712,,2018-12-26", "has 6 fields, not 7"),
    ("units.csv", "370102-default,", None, "division 370102 has no default unit"),
    ("units.csv", "370102-justice,", None, "division 370102 has no supervision body"),
    ("units.csv", "370102-urban,", "370102-city,370102,城管,城管,default,,,", "in force together with row"),
    ("units.csv", "370102-urban,", "370102-urban,370103,城管,城管,department,urban,,", "does not begin with its division"),
    ("units.csv", "370102-urban,", "370102-urban,370102,城管,城管,department,,,", "has a department key"),
    ("categories.csv", "street_vending,", "street_vending,shops,占道经营,Street vending,1,", "parent shops is not there"),
    ("categories.csv", "street_vending,", "street_vending,city_management,供热,Street vending,1,", "stands in row"),
    ("categories.csv", "street_vending,", "street_vending,city_management,占道经营,Street vending,0,", "a group has some"),
    ("categories.csv", "urban_enforcement,", None, "no leaf is named"),
    ("categories.csv", "other,", "other,government,其他,Other,1,", "not a leaf at the top"),
    ("routes.csv", "37,housing,", "37,housing,houses,", "department houses has no unit"),
    ("routes.csv", "37,housing,", "37,housing,housing,37-housing", "not exactly one"),
    ("routes.csv", "37,housing,", "37,housing,,3701-housing", "goes aside to 3701-housing"),
    ("calendar_notices.csv", "2024,", None, "year 2024 has no notice"),
    ("calendar_days.csv", "2024-02-04,", None, "2024 has 250 working days, not 251"),
    ("calendar_days.csv", "2024-02-04,", "2024-02-05,work,春节,2024", "no weekend day"),
    ("calendar_days.csv", "2024-02-04,", "2024-02-30,work,春节,2024", "is not a date"),
    ("deadline_rules.csv", "reply,", None, "no rule without an end for reply"),
    ("deadline_rules.csv", "reply,", "reply,1,reply,0,working_days,0,,,无,none", "not a number from 1"),
    ("deadline_rules.csv", "sign,", "sign,1,reply,1,working_days,0,,,无,none", "in force together with row"),
    ("deadline_rules.csv", "reply,", "reply,1,reply,5,working_days,1,,,无,none", "can end on a day off"),
    ("ladder_rules.csv", "reply-l1,", None, "no rule without an end for reply/l1"),
    ("ladder_rules.csv", "reply-l1,", "reply-l1,1,reply,l1,term_after_previous,3,,,,无,none", "unit goes with"),
    ("ladder_rules.csv", "dispatch-red,", "dispatch-red,1,dispatch,red,at_due_at,0,,,,无,none",
     "a red card is due by first_working_day_after_due_on"),
    ("ladder_rules.csv", "order-l3,", "order-l3,1,order,l3,term_after_previous,6,working_days,,,无,none",
     "order-l3 is not the term order_city"),
    ("ladder_rules.csv", "reply-yellow,", "reply-yellow,1,reply,yellow,hours_before_due_at,4,,,,无,none",
     "a yellow card is due by working_days_before_due_on"),
]


@pytest.mark.parametrize("name,start,becomes,says", FAULTS)
def test_fault_is_found_at_its_row(copy, name, start, becomes, says):
    file = copy / name
    lines = file.read_text("utf-8").split("\n")
    row = row_of(file, start)
    lines[row - 1:row] = [] if becomes is None else [becomes]
    file.write_text("\n".join(lines), "utf-8")
    code, out = check(copy)
    assert code == 1
    found = [line for line in out.splitlines() if says in line]
    assert found, out
    if becomes is not None and "goes aside" not in says and "together" not in says and "stands in" not in says:
        assert any(line.startswith("%s:%d:" % (name, row)) for line in found), out


@pytest.mark.parametrize("damage,says", [
    (lambda raw: b"\xef\xbb\xbf" + raw, "routes.csv:1: starts with a byte order mark"),
    (lambda raw: raw.replace(b"water_supply", b"water\xff"), "routes.csv:6: is not UTF-8"),
    (lambda raw: raw + b"\0", "holds a NUL byte"),
    (lambda raw: raw.replace(b"unit\n", b"units\n", 1), "routes.csv:1: columns are"),
    (lambda raw: raw + b'37,"other\n', "is not CSV"),
    (lambda raw: b"", "has no header"),
])
def test_file_that_cannot_be_read(copy, damage, says):
    file = copy / "routes.csv"
    file.write_bytes(damage(file.read_bytes()))
    code, out = check(copy)
    assert code == 1
    assert says in out


PRINCIPAL = "hotline_3701,k1,济南市12345热线,hotline|importer,3701,,jinan-12345|test-*,,%s,0" % ("0" * 64)


@pytest.mark.parametrize("row,says", [
    (PRINCIPAL, None),
    (PRINCIPAL.replace("hotline|", "boss|"), "role 'boss'"),
    (PRINCIPAL.replace("3701,,", "3712999,,"), "jurisdiction 3712999"),
    (PRINCIPAL.replace("3701,,", "3701,nobody,"), "unit nobody"),
    (PRINCIPAL.replace("test-*", "t*st"), "source 't*st'"),
    (PRINCIPAL.replace("0" * 64, "0" * 63), "64 hexadecimal digits"),
    (PRINCIPAL.replace("0" * 64, ""), "neither a key nor a token"),
])
def test_principals(copy, row, says):
    header = (copy / "principals.template.csv").read_text("utf-8")
    (copy / "principals.csv").write_text(header + row + "\n", "utf-8")
    code, out = check(copy)
    assert code == (0 if says is None else 1), out
    assert says is None or "principals.csv:2" in out and says in out
