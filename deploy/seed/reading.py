"""The rows of a seed folder with the faults found in them, and the small checks that every kind of row needs.

A fault keeps its file and row (row 1 is the header; a quoted newline does not count); reading never stops at one.
"""
import csv
import datetime
import io
import os
import re

# What the folder must hold: column names in order, and the longest value in bytes where the contract limits it.
COLUMNS = {
    "divisions": ["code", "name", "level", "parent", "valid_from", "valid_to", "replaced_by"],
    "units": ["code", "division", "name", "short_name", "kind", "department", "valid_from", "valid_to"],
    "categories": ["code", "parent", "name_zh", "name_en", "leaf", "keywords"],
    "routes": ["division", "category", "department", "unit"],
    "calendar_notices": ["year", "notice", "title", "source", "published_on"],
    "calendar_days": ["day", "kind", "festival", "year"],
    "deadline_rules": ["id", "version", "kind", "count", "unit", "roll", "valid_from", "valid_to",
                       "basis_zh", "basis_en"],
    "ladder_rules": ["id", "version", "kind", "rung", "anchor", "count", "unit", "valid_from", "valid_to",
                     "basis_zh", "basis_en"],
    "principals": ["id", "key_id", "name", "roles", "jurisdiction", "units", "sources", "curve_public",
                   "token_sha256", "revoked"],
}
BYTES_MAX = {
    "divisions": {"name": 128},
    "units": {"code": 64, "name": 192, "short_name": 96, "department": 32},
    "categories": {"code": 64, "name_zh": 96, "name_en": 96, "keywords": 512},
    "routes": {},
    "calendar_notices": {"notice": 64, "title": 256, "source": 256},
    "calendar_days": {"festival": 48},
    "deadline_rules": {"id": 64, "kind": 32, "basis_zh": 256, "basis_en": 256},
    "ladder_rules": {"id": 64, "kind": 32, "basis_zh": 256, "basis_en": 256},
    "principals": {"id": 64, "key_id": 32, "name": 128},
}


class Seed:
    """The rows of a folder, and the faults found in them."""

    def __init__(self, folder):
        self.folder = folder
        self.faults = []
        self.rows = {kind: self._read(kind) for kind in COLUMNS if kind != "principals"}
        name = "principals.csv"
        if not os.path.exists(os.path.join(folder, name)):
            name = "principals.template.csv"
        self.rows["principals"] = self._read("principals", name)

    def fault(self, kind, row, text):
        self.faults.append((kind + ".csv", row, text))

    def _read(self, kind, name=None):
        path = os.path.join(self.folder, name or kind + ".csv")
        try:
            with open(path, "rb") as file:
                raw = file.read()
        except OSError as error:
            self.fault(kind, 0, error.strerror)
            return []
        if raw.startswith(b"\xef\xbb\xbf"):
            self.fault(kind, 1, "starts with a byte order mark")
            raw = raw[3:]
        if b"\0" in raw:
            self.fault(kind, 1, "holds a NUL byte")
            return []
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            self.fault(kind, 1 + raw[:error.start].count(b"\n"), "is not UTF-8")
            return []
        return self._rows(kind, text)

    def _rows(self, kind, text):
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        rows = []
        number = 0
        try:
            for number, values in enumerate(reader, 1):
                if number == 1:
                    if values != COLUMNS[kind]:
                        self.fault(kind, 1, "columns are %s, not %s" % (values, COLUMNS[kind]))
                        return []
                elif len(values) != len(COLUMNS[kind]):
                    self.fault(kind, number, "has %d fields, not %d" % (len(values), len(COLUMNS[kind])))
                else:
                    rows.append(self._row(kind, number, values))
        except csv.Error as error:
            self.fault(kind, number + 1, "is not CSV: %s" % error)
        if number == 0:
            self.fault(kind, 1, "has no header")
        return rows

    def _row(self, kind, number, values):
        row = dict(zip(COLUMNS[kind], values))
        for column, value in row.items():
            if value != value.strip():
                self.fault(kind, number, "%s begins or ends with space" % column)
            if len(value.encode()) > BYTES_MAX[kind].get(column, 512):
                self.fault(kind, number, "%s is too long" % column)
        row["#"] = number
        return row

    # Small checks, each giving a usable value or None.

    def unique(self, kind, *columns):
        seen = {}
        for row in self.rows[kind]:
            key = tuple(row[column] for column in columns)
            if key in seen:
                self.fault(kind, row["#"], "%s %s stands in row %d too" % (",".join(columns), "/".join(key), seen[key]))
            seen.setdefault(key, row["#"])

    def required(self, kind, row, *columns):
        for column in columns:
            if row[column] == "":
                self.fault(kind, row["#"], "%s is empty" % column)

    def one_of(self, kind, row, column, values):
        if row[column] not in values:
            self.fault(kind, row["#"], "%s %r is none of %s" % (column, row[column], " ".join(values)))

    def number(self, kind, row, column, low, high):
        value = int(row[column]) if re.match(r"\d{1,9}\Z", row[column]) else None
        if value is None or not low <= value <= high:
            self.fault(kind, row["#"], "%s %r is not a number from %d to %d" % (column, row[column], low, high))
            return None
        return value

    def date(self, kind, row, column):
        if row[column] == "":
            return None
        try:
            if re.match(r"\d{4}-\d{2}-\d{2}\Z", row[column]):
                return datetime.date.fromisoformat(row[column])
        except ValueError:
            pass
        self.fault(kind, row["#"], "%s %r is not a date" % (column, row[column]))
        return None

    def window(self, kind, row):
        """[from, to): the first day in force and the first day no longer; unknown ends are open."""
        start = self.date(kind, row, "valid_from") or datetime.date.min
        end = self.date(kind, row, "valid_to") or datetime.date.max
        if start >= end:
            self.fault(kind, row["#"], "is in force on no day: valid_to is not after valid_from")
        row["window"] = (start, end)

    def disjoint(self, kind, *columns):
        """No two rows of one key may be in force on the same day."""
        groups = {}
        for row in self.rows[kind]:
            groups.setdefault(tuple(row[column] for column in columns), []).append(row)
        for key, group in groups.items():
            group.sort(key=lambda row: row["window"])
            for before, after in zip(group, group[1:]):
                if after["window"][0] < before["window"][1]:
                    self.fault(kind, after["#"], "%s is in force together with row %d" % ("/".join(key), before["#"]))
