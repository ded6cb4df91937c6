"""The stage of the probe: the cluster of tests/integration, the cast loaded, the subjects made.

Invariant: nobody but the probe acts while `stage` is used, so what a database holds before and after refused calls can
be compared whole.
"""
import importlib.util
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg2
import pytest

HERE = Path(__file__).resolve().parent
INTEGRATION = HERE.parent / 'integration'
_spec = importlib.util.spec_from_file_location('integration_conftest', INTEGRATION / 'conftest.py')
_integration = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_integration)
sys.path[:0] = [str(HERE), str(INTEGRATION)]

from cast import Caller, cast, loaded, rows  # noqa: E402
from doors import Http, Wire  # noqa: E402
from matters import TO_AN_ORDER, Matters  # noqa: E402
from table import SERVICES, Contract, Table  # noqa: E402
from test_registry_cli import Cli, folder  # noqa: E402

world = _integration.world  # the fixture
THREADS = 6
WAIT_S = 60
TO_RED_CARDS_S = 14 * 86400  # two working days, whatever holidays lie between
UNIT_ROW = 'code,division,name,short_name,kind,department,valid_from,valid_to\n370102-probe,370102,探针局,探针,department,probe,,\n'
# Leases and cursors move by themselves.
MOVING = ('consumer_cursor', 'log_offset')


class Stage:
    """Everybody and everything that the probe needs."""

    def __init__(self, world, pool, scratch):
        self.world, self.pool, self._scratch = world, pool, scratch
        self.services = {name: world.cluster.endpoints['services'][name] for name in SERVICES}
        self.run = uuid.uuid4().hex[:8]
        self.methods = Contract().methods()
        self.http = Http(world.url)
        self.callers = cast()
        self.table = Table(list(self.callers))
        self.matters = Matters(self.http, self.methods, self.callers, pool, self.run)
        self._operator = Caller('operator', owned=world.credentials['operator'])
        self.wires = {}
        self.after, self.furnished = {}, {}  # cursors: before, and after the subjects came
        self.subjects = {}

    def status(self, service, replica=0):
        """What a replica says of itself."""
        wire = Wire(self._operator, {service: [self.services[service][replica]]})
        try:
            answer = wire.call(self.methods[f'{service}.status'], {}, wait_ms=WAIT_S * 1000)
            assert answer.status == 200, answer
            return answer.body
        finally:
            wire.close()

    def head(self, service):
        """The cursor of the newest event."""
        told = self.status(service)
        return f'{service}:{told.epoch}:{told.head}'

    def load(self, **files):
        """`lujian load` as the operator, and every replica knows it."""
        path = self._scratch / uuid.uuid4().hex
        path.mkdir()
        Cli(self.world.cluster, 'operator').run('load', folder(path, **files))
        head, until = self.status('registry').head, time.monotonic() + WAIT_S
        for service, replicas in self.services.items():
            for index in range(len(replicas)):
                while self.status(service, index).mirror_position < head:
                    assert time.monotonic() < until, f'{service} does not mirror {head}'

    def enter(self):
        """The cast comes; one of them is sent away again."""
        self.after['registry'] = self.head('registry')
        everybody = loaded(self.callers)
        self.load(principals=rows(everybody), units=UNIT_ROW)
        self.wires = {name: Wire(caller, self.services) for name, caller in self.callers.items()}
        for caller in everybody:
            for service in SERVICES:
                ping = self.methods[f'{service}.ping']
                assert self.wires[caller.name].call(ping, {}, wait_ms=WAIT_S * 1000).status == 200
        self.load(principals=rows([self.callers['revoked']], revoked=True))
        until = time.monotonic() + WAIT_S
        while self.http.request(self.callers['revoked'].owned['token'], 'GET', '/v1/me').status != 401:
            assert time.monotonic() < until, 'the gateway does not learn who was revoked'

    def allowed(self, method, variant):
        """Who may, of the table."""
        return [name for name, (status, _) in self.table.of(method, variant).items() if status < 400]

    def needed(self, method, variant):
        """How many subjects a command needs: one for all that are refused, one for each that is not, at each door."""
        return 1 + 2 * len(self.allowed(method, variant))

    def furnish(self):
        """Subjects to read, and the cards and orders to act on. Time is moved first: orders climb by it."""
        commands = [(name, variant) for name, method in self.methods.items() if name.startswith('supervision.') and method.command
                    for variant in self.table.variants(name)]
        self.after['supervision'] = self.head('supervision')
        self._make_cards([key for key in commands if 'card' in key[0]])
        self.after['complaints'] = self.head('complaints')
        self._make_orders([key for key in commands if 'order' in key[0]])
        self.furnished = {service: self.head(service) for service in SERVICES}

    def _make_cards(self, keys):
        wanted = [('card', ''), ('card', 'about')] + [key for key in keys for _ in range(self.needed(*key))]
        matters = self.matters.many([(variant == 'about', ()) for _, variant in wanted])
        answer = self.http.request(self.callers['operator.own'].owned['token'], 'POST', '/v1/time:advance',
                                   {'seconds': TO_RED_CARDS_S})
        assert answer.status == 200, answer.said
        self._keep(wanted, self.matters.cards(matters))

    def _make_orders(self, keys):
        wanted = [('order', ''), ('order', 'about')] + [key for key in keys for _ in range(self.needed(*key))]
        matters = self.matters.many([(variant == 'about', TO_AN_ORDER) for _, variant in wanted])
        self._keep([('complaint', ''), ('complaint', 'about')], matters[:2])
        self._keep(wanted, self.matters.orders(matters))

    def _keep(self, wanted, subjects):
        for key, subject in zip(wanted, subjects):
            self.subjects.setdefault(key, []).append(subject)

    def fingerprints(self):
        """{table: its rows' digest} of every service's database, but for what moves by itself."""
        uri, found = self.world.cluster.endpoints['postgres'], {}
        with psycopg2.connect(uri) as connection, connection.cursor() as cursor:
            cursor.execute("select datname from pg_database where not datistemplate and datname <> 'postgres'")
            databases = [name for name, in cursor.fetchall()]
        for database in databases:
            with psycopg2.connect(uri, dbname=database) as connection, connection.cursor() as cursor:
                cursor.execute("select quote_ident(schemaname) || '.' || quote_ident(tablename) from pg_tables"
                               " where schemaname not in ('pg_catalog', 'information_schema')")
                for table, in cursor.fetchall():
                    if table.split('.')[1] not in MOVING:
                        cursor.execute(f'select count(*), sum(hashtextextended(t::text, 0)) from {table} t')
                        found[f'{database} {table}'] = cursor.fetchone()
        return found


@pytest.fixture(scope='session')
def stage(world, tmp_path_factory):
    """The stage, furnished."""
    with ThreadPoolExecutor(THREADS) as pool:
        made = Stage(world, pool, tmp_path_factory.mktemp('probe'))
        made.enter()
        made.furnish()
        yield made
        for wire in made.wires.values():
            wire.close()
