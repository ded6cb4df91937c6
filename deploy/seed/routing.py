"""Division x category -> the unit that owns the matter, as of one day; README.md has the rules in words."""


def ancestors(by_code, code):
    """The code itself, its parent, and so on to the top; nine at most."""
    path = []
    while code in by_code and len(path) < 9:
        path.append(code)
        code = by_code[code]["parent"]
    return path


def in_force(row, day):
    return row["window"][0] <= day < row["window"][1]


def replaced(row, day):
    """A division that announces its successor goes on until its valid_to."""
    return row["replaced_by"] != "" and day >= row["window"][0] and not in_force(row, day)


class Routing:
    """The facts of one day, arranged for looking up owners."""

    def __init__(self, rows, day):
        self.day = day
        self.divisions = {row["code"]: row for row in rows["divisions"]}
        self.categories = {row["code"]: row for row in rows["categories"]}
        self.routes = {(row["division"], row["category"]): row for row in rows["routes"]}
        self.units = {row["code"] for row in rows["units"] if in_force(row, day)}
        self.of_kind = {(row["division"], row["department"] or row["kind"]): row["code"]
                        for row in rows["units"] if in_force(row, day)}

    def division_now(self, code):
        for _ in range(8):
            if not replaced(self.divisions[code], self.day):
                break
            code = self.divisions[code]["replaced_by"]
        return code

    def nearest(self, path, key):
        return next((self.of_kind[(code, key)] for code in path if (code, key) in self.of_kind), None)

    def resolve(self, division, category):
        path = ancestors(self.divisions, self.division_now(division))
        for code in path:
            for step in ancestors(self.categories, category):
                rule = self.routes.get((code, step))
                if rule is None:
                    continue
                if rule["unit"] in self.units:
                    return rule["unit"]
                unit = rule["department"] and self.nearest(path, rule["department"])
                if unit:
                    return unit
        return self.nearest(path, "default")
