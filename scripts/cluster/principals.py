"""Who speaks to a development cluster: the principals, their credentials and the CSV that the registry loads.

The standing seven are those of cluster.json. The demo's cast is one hotline centre per city and a unit and a
supervisor for each division: see cast().
"""
import csv
import io
from dataclasses import dataclass

from . import keys
from .paths import SEED_DIR, write_whole

# As deploy/seed/principals.template.csv has them.
COLUMNS = ('id', 'key_id', 'name', 'roles', 'jurisdiction', 'units', 'sources', 'curve_public', 'token_sha256', 'revoked')
PROVINCE = '37'
CITY_DIGITS = 4
COUNTY_DIGITS = 6


@dataclass(frozen=True)
class Principal:
    """A row of principals.csv without its keys."""
    id: str
    name: str
    roles: tuple
    jurisdiction: str
    sources: tuple = ()


OPERATOR = Principal('operator', 'Operator', ('operator',), PROVINCE)
STANDING = (
    OPERATOR,
    Principal('hotline_3701', '12345 hotline centre 3701', ('hotline', 'importer'), '3701', ('jinan-12345', 'test-*')),
    Principal('hotline_3702', '12345 hotline centre 3702', ('hotline',), '3702', ('qingdao-12345',)),
    Principal('unit_370102', 'Units of 370102', ('unit',), '370102'),
    Principal('supervisor_370102', 'Supervisor of 370102', ('supervisor',), '370102'),
    Principal('supervisor_3701', 'Supervisor of 3701', ('supervisor',), '3701'),
    Principal('supervisor_37', 'Supervisor of 37', ('supervisor',), PROVINCE),
)


def hotline(city):
    """The 12345 centre of a city; two of them are among the standing seven."""
    return Principal(f'hotline_{city}', f'12345 hotline centre {city}', ('hotline',), city, (f'{city}-12345',))


def unit(division):
    """Acts for every unit of a division: no units listed means all of them."""
    return Principal(f'unit_{division}', f'Units of {division}', ('unit',), division)


def supervisor(division):
    """Watches a division and everything under it."""
    return Principal(f'supervisor_{division}', f'Supervisor of {division}', ('supervisor',), division)


def cast(divisions):
    """The standing seven and the demo's cast for these division codes, each once."""
    played_by = {principal.id: principal for principal in STANDING}
    for code in divisions:
        played = []
        if len(code) == CITY_DIGITS:
            played = [hotline(code), unit(code), supervisor(code)]
        elif len(code) == COUNTY_DIGITS:
            played = [unit(code), supervisor(code)]
        for principal in played:
            played_by.setdefault(principal.id, principal)
    return tuple(played_by.values())


def seeded_divisions(path=SEED_DIR / 'divisions.csv'):
    """The codes of cities, counties and zones in the seed that nothing has replaced, in its order."""
    with path.open(encoding='utf-8-sig', newline='') as rows:
        return [row['code'] for row in csv.DictReader(rows)
                if len(row['code']) in (CITY_DIGITS, COUNTY_DIGITS) and not row['replaced_by']]


def everyone(which):
    """The principals of a named cast: `standing` or `demo`."""
    return cast(seeded_divisions()) if which == 'demo' else STANDING


def credentials_path(run_dir, principal_id):
    """Where a principal's credentials are kept."""
    return run_dir / 'credentials' / f'{principal_id}.ini'


def credentials(run_dir, principal_id):
    """The credentials of one principal, made where there are none."""
    return keys.credentials(credentials_path(run_dir, principal_id), principal_id)


def row(principal, owned):
    """The row of principals.csv."""
    return {'id': principal.id, 'key_id': owned['key_id'], 'name': principal.name,
            'roles': '|'.join(principal.roles), 'jurisdiction': principal.jurisdiction, 'units': '',
            'sources': '|'.join(principal.sources), 'curve_public': owned['curve_public'],
            'token_sha256': keys.token_sha256(owned['token']), 'revoked': '0'}


def write_csv(run_dir, people):
    """Write the CSV of these principals for `lujian load`; returns its folder."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator='\n')
    writer.writeheader()
    for principal in people:
        writer.writerow(row(principal, credentials(run_dir, principal.id)))
    folder = run_dir / 'seed'
    folder.mkdir(exist_ok=True)
    write_whole(folder / 'principals.csv', out.getvalue())
    return folder
