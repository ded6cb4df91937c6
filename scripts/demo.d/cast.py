"""Who plays: a hotline centre of its own for each city, and the units and supervisors of province, cities and counties.

The demo's centres have no role importer, so clocks run from the moment of filing; each run files under sources of its
own, so a cluster that stays up can be played on again.
"""
import csv
from dataclasses import dataclass

from cluster import principals
from cluster.paths import SEED_DIR

PROVINCE = principals.PROVINCE


def centre_id(city):
    """The principal of a city's centre in the demo."""
    return f'demo_hotline_{city}'


def source(city, round_tag):
    """The source under which a city's centre files in this run."""
    return f'demo-{city}-{round_tag}'


def cast():
    """Everybody, each once: the cluster's own cast, the centres of the demo, and the units of the province."""
    divisions = principals.seeded_divisions()
    centres = [principals.Principal(centre_id(city), f'12345 hotline centre {city} (demo)', ('hotline',), city,
                                    (f'demo-{city}-*',))
               for city in divisions if len(city) == principals.CITY_DIGITS]
    return (*principals.cast(divisions), principals.unit(PROVINCE), *centres)


@dataclass(frozen=True)
class Places:
    """Names of divisions and units, for people."""
    divisions: dict
    units: dict

    @classmethod
    def read(cls):
        """From the seed."""
        def names(kind, column):
            with open(SEED_DIR / f'{kind}.csv', encoding='utf-8', newline='') as rows:
                return {row['code']: row[column] for row in csv.DictReader(rows)}
        return cls(names('divisions', 'name'), names('units', 'short_name'))

    @property
    def cities(self):
        """The codes of the 16 cities, in their order."""
        return [code for code in principals.seeded_divisions() if len(code) == principals.CITY_DIGITS]

    def division(self, code):
        """济南市历下区, 历下区姚家街道, 济南高新技术产业开发区: enough to know it by."""
        names = [self.divisions.get(code[:digits], code[:digits]) for digits in (4, 6, 9) if digits <= len(code)]
        if not names:
            return self.divisions.get(code, code)
        above = '' if len(names) == 1 or names[-1].startswith(names[-2][:2]) else names[-2]
        return above + names[-1]

    def unit(self, code):
        """The short name of a unit."""
        return self.units.get(code, code)


def home(unit):
    """The division of a unit: its code begins with it."""
    return unit.partition('-')[0]


def unit_principal(unit):
    """Who acts for a unit: the principal of its county, city or province."""
    return f'unit_{home(unit)[:principals.COUNTY_DIGITS]}'


def body_principal(division, level):
    """The supervisor whose turn it is: the body of that level over a division."""
    digits = {'county': 6, 'city': 4, 'province': 2}[level]
    return f'supervisor_{division[:digits]}'
