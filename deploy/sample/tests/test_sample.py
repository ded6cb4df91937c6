"""The sample can be filed as it is: codes exist, enums are the contract's, no two texts are equal, no real phones."""
import csv
import pathlib
import re

DEPLOY = pathlib.Path(__file__).resolve().parents[2]
COLUMNS = ("id user title created_at body against likes division category channel type urgency about_enforcement "
           "caller_name caller_phone").split()
CHANNELS = "phone web letter sms app wechat weibo visit superior open311 media".split()
TYPES = "consultation help complaint report suggestion praise other".split()


def read(name):
    with open(DEPLOY / name, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


ROWS = read("sample/complaints.csv")


def test_header_and_size():
    assert list(ROWS[0]) == COLUMNS
    assert len(ROWS) >= 300
    assert not any(None in row or None in row.values() for row in ROWS)


def test_nothing_is_said_twice():
    for column in ("id", "user", "body"):
        assert len({row[column] for row in ROWS}) == len(ROWS), column
    phones = [row["caller_phone"] for row in ROWS if row["caller_phone"]]
    assert len(set(phones)) == len(phones)


def test_codes_exist():
    divisions = {row["code"]: row for row in read("seed/divisions.csv")}
    leaves = {row["code"] for row in read("seed/categories.csv") if row["leaf"] == "1"}
    for row in ROWS:
        assert row["division"] in divisions and not divisions[row["division"]]["replaced_by"], row["id"]
        assert row["category"] in leaves, row["id"]
    assert {row["category"] for row in ROWS} == leaves
    assert len({row["division"][:4] for row in ROWS}) == 16


def test_values_are_the_contracts():
    for row in ROWS:
        assert row["channel"] in CHANNELS, row["id"]
        assert row["type"] in TYPES, row["id"]
        assert row["urgency"] in ("normal", "urgent", "critical"), row["id"]
        assert row["about_enforcement"] in ("0", "1"), row["id"]
        assert re.fullmatch(r"2026-1[01]-\d\dT\d\d:\d\d:\d\d\+08:00", row["created_at"]), row["id"]
        assert row["title"] and row["body"], row["id"]
        assert len(row["title"].encode()) <= 1024 and len(row["body"].encode()) <= 65536, row["id"]
        # The contract refuses control characters but the newline.
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", row["body"] + row["title"]), row["id"]


def test_callers_are_invented():
    for row in ROWS:
        assert re.fullmatch(r"(1990000\d{4})?", row["caller_phone"]), row["id"]
        assert not re.search(r"1[3-9]\d{9}", row["body"] + row["title"]), row["id"]
        assert bool(row["caller_name"]) == bool(row["caller_phone"]), row["id"]


def test_it_exercises_quoting():
    assert any("\n" in row["body"] for row in ROWS)
    assert any('"' in row["body"] for row in ROWS)
    assert any("," in row["body"] for row in ROWS)
    assert sum(row["about_enforcement"] == "1" for row in ROWS) >= 30
