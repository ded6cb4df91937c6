"""Complaints all over the province: who files them, where, and who watches.

Each city's centre files what is of its city; each subscriber is a supervisor with keys of his own, as in a province.
"""
import csv
import http.client
import itertools
import json
from urllib.parse import urlsplit

from rig import complaint

from cluster import principals
from cluster.paths import SEED_DIR
from cluster.seeding import Seeding

CITY, COUNTY, TOWN = 4, 6, 9 # digits


def divisions():
    """({city: its code}, counties, towns) as the seed has them today: lists of codes, nothing that was replaced."""
    with (SEED_DIR / 'divisions.csv').open(encoding='utf-8-sig', newline='') as rows:
        codes = [row['code'] for row in csv.DictReader(rows) if not row['replaced_by'] and not row['valid_to']]
    return tuple([code for code in codes if len(code) == digits] for digits in (CITY, COUNTY, TOWN))


def load_cast(cluster):
    """Centres of all cities and supervisors of all cities and counties; returns when both doors know the last of them."""
    everyone = principals.everyone('demo')
    Seeding(cluster.run_dir, cluster.build).load_principals(everyone)
    link = http.client.HTTPConnection(urlsplit(cluster.gateway).netloc, timeout=30)
    for principal in everyone:
        if 'supervisor' in principal.roles:
            while not _is_known(link, credentials(cluster, principal.id)['token']):
                pass
    link.close()


def _is_known(link, token):
    """The gateway looks up the token, complaints the principal. An answer of 401 costs a round trip: nobody spins."""
    link.request('GET', '/v1/events?stream=complaints&limit=1', headers={'Authorization': f'Bearer {token}'})
    answer = link.getresponse()
    answer.read()
    return answer.status == 200


def credentials(cluster, principal):
    """{token, curve_public, curve_secret} of anybody of the cast."""
    return principals.credentials(cluster.run_dir, principal)


def write_filings(cluster, path, places):
    """The file that file.lua takes complaints from: one for each of these divisions."""
    centres = {one.jurisdiction: one for one in principals.everyone('demo') if 'hotline' in one.roles}
    with path.open('w') as out:
        for division in places:
            centre = centres[division[:CITY]]
            filing = complaint('RUN-NUMBER') | {'source': centre.sources[0], 'division': division}
            out.write(f'{credentials(cluster, centre.id)["token"]}\t{json.dumps(filing, ensure_ascii=False)}\n')


def take(codes, count):
    """So many of them, evenly over the list, over and over where there are fewer."""
    step = max(len(codes) // count, 1)
    return list(itertools.islice(itertools.cycle(codes[::step]), count))
