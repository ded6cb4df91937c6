"""Who owns a matter, and who may see it: divisions, units and routes of deploy/seed, read anew from its manual."""
from functools import lru_cache

from .calendar import SEED, rows

PROVINCE = '37'
STEPS_MAX = 9
LEVELS = {2: 'province', 4: 'city'}
ABOVE = {'county': 'city', 'city': 'province', 'province': None}
LENGTHS = {'province': 2, 'city': 4, 'county': 6}


def level_of(division):
    """The level that a division's own matters begin at: a town's at the county."""
    return LEVELS.get(len(division), 'county')


def in_force(row, day):
    """Is the row's window [valid_from, valid_to) open on that day?"""
    return (row['valid_from'] or '0000') <= day.isoformat() < (row['valid_to'] or '9999')


def contains(division, other):
    """Prefix means subtree."""
    return other.startswith(division)


@lru_cache(maxsize=8)
def owners_of(day, folder=SEED):
    """The facts of one day, read once."""
    return Owners(day, folder)


class Owners:
    """The facts of one day."""

    def __init__(self, day, folder=SEED):
        self.divisions = {row['code']: row for row in rows('divisions', folder)}
        self.parents = {row['code']: row['parent'] for row in rows('categories', folder)}
        self.by_name = {}
        for row in rows('categories', folder):
            self.by_name.setdefault(row['name_zh'], []).append(row['code'])
        units = [row for row in rows('units', folder) if in_force(row, day)]
        self.units = {row['code']: row for row in units}
        self.of_kind = {(row['division'], row['department'] or row['kind']): row['code'] for row in units}
        self.routes = {(row['division'], row['category']): row for row in rows('routes', folder)}
        self.day = day

    def now(self, division):
        """The division, or the one that has replaced it."""
        for _ in range(STEPS_MAX):
            row = self.divisions[division]
            if not row['replaced_by'] or in_force(row, self.day):
                return division
            division = row['replaced_by']
        raise ValueError(f'{division} is replaced without end')

    def category(self, given):
        """The code of a category given by its code or its Chinese name; '' = other; None = no such."""
        if given in self.parents:
            return given
        codes = self.by_name.get(given, ()) if given else ['other']
        return codes[0] if len(codes) == 1 else None

    def upwards(self, division):
        """The division and those above it."""
        while division:
            yield division
            division = self.divisions[division]['parent']

    def superior(self, division):
        """The one above; the province is its own."""
        return self.divisions[division]['parent'] or division

    def nearest(self, division, kind):
        """The unit of that kind or department in the division, or in the nearest above that has one."""
        return next((self.of_kind[at, kind] for at in self.upwards(division) if (at, kind) in self.of_kind), None)

    def route(self, division, category):
        """division x category -> unit."""
        division = self.now(division)
        for at in self.upwards(division):
            step = category
            while step:
                rule = self.routes.get((at, step))
                step = self.parents[step]
                if rule is None:
                    continue
                if rule['unit'] in self.units:
                    return rule['unit']
                unit = rule['department'] and self.nearest(division, rule['department'])
                if unit:
                    return unit
        return self.nearest(division, 'default')

    def owner(self, division, category, about_enforcement):
        """(unit, audience): a matter about an organ is its superior's, and hidden from the organ."""
        unit = self.route(division, category)
        if not about_enforcement:
            return unit, ''
        superior = self.superior(self.units[unit]['division'])
        return self.nearest(superior, 'default'), superior

    def designated(self, first_unit, second_unit):
        """The unit that the second accepted return hands a matter to: one above the common superior."""
        first, common = (self.units[unit]['division'] for unit in (first_unit, second_unit))
        while not contains(common, first):
            common = self.superior(common)
        return self.nearest(self.superior(common), 'default')

    def body(self, division, level):
        """The supervision body of a matter's division at a level."""
        return self.nearest(self.now(division[:LENGTHS[level]]), 'supervision')

    def covers(self, jurisdiction, division):
        """Does a jurisdiction hold a division, replaced ones included?"""
        if contains(jurisdiction, division):
            return True
        return division in self.divisions and contains(jurisdiction, self.now(division))

    def may_see(self, jurisdiction, division, audience='', role='supervisor'):
        """Units' principals do not see what is about their own organ; for all others the division decides."""
        return self.covers(jurisdiction, audience if audience and role == 'unit' else division)
