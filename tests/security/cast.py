"""Who knocks: a principal of every role in every relation to the subject, and those whom nobody knows.

They come as operators bring them, by `lujian load`. What they are is in the head of expectations.txt.
"""
import csv
import io
from dataclasses import dataclass

from table import Contract

from cluster import keys, principals

RELATIONS = {'own': '370102', 'parent': '3701', 'sibling': '370103', 'child': '370102001', 'none': '3702'}
ROLES = Contract().roles()
WITHOUT_JURISDICTION = ('operator', 'edge', 'service')
SOURCE = 'probe-1'
OUTSIDERS = ('anonymous', 'unknown', 'revoked')


@dataclass(frozen=True)
class Caller:
    """A name of expectations.txt with its credentials; those of `anonymous` are empty."""
    name: str
    roles: tuple = ()
    jurisdiction: str = ''
    units: str = ''
    sources: str = ''
    owned: dict = None

    @property
    def id(self):
        """The principal's."""
        return f'probe_{self.name.replace(".", "_")}'

    def row(self, revoked=False):
        """Of principals.csv."""
        return {'id': self.id, 'key_id': 'k1', 'name': self.name, 'roles': '|'.join(self.roles),
                'jurisdiction': self.jurisdiction, 'units': self.units, 'sources': self.sources,
                'curve_public': self.owned['curve_public'], 'token_sha256': keys.token_sha256(self.owned['token']),
                'revoked': '1' if revoked else '0'}


def _shapes():
    for role in ROLES:
        sources = 'probe-*' if role == 'hotline' else ''
        for relation, division in RELATIONS.items():
            yield f'{role}.{relation}', (role,), division, '', sources
        if role in WITHOUT_JURISDICTION:
            yield f'{role}.nowhere', (role,), '', '', ''
    yield 'hotline.other', ('hotline',), RELATIONS['own'], '', 'other-1'
    yield 'unit.other', ('unit',), RELATIONS['own'], '370102-medicare', ''
    yield 'mixed.own', ('unit', 'supervisor'), RELATIONS['own'], '', ''
    yield 'revoked', ('operator',), '37', '', ''
    yield 'unknown', (), '', '', ''


def cast():
    """{name: Caller}."""
    found = {name: Caller(name, *shape, keys.new_credentials(name)) for name, *shape in _shapes()}
    return found | {'anonymous': Caller('anonymous', owned={'token': '', 'curve_public': '', 'curve_secret': ''})}


def loaded(callers):
    """Those of whom the registry is told."""
    return [caller for caller in callers.values() if caller.roles]


def rows(callers, revoked=False):
    """principals.csv."""
    text = io.StringIO()
    table = csv.DictWriter(text, principals.COLUMNS, lineterminator='\n')
    table.writeheader()
    table.writerows(caller.row(revoked) for caller in callers)
    return text.getvalue()
