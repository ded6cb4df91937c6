"""Notes and echo as processes: two small services on the skeleton, a PostgreSQL of their own, clients over ZeroMQ.

The binaries are those of the build (lujian-note under the name of complaints, lujian-echo under that of supervision);
the registry is not there: its facts are written into the mirror's tables, as if its events had told them.
"""
import itertools
import json
import os
import re
import shutil
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from dataclasses import dataclass, field
from pathlib import Path

import psycopg2
import pytest
import zmq

from cluster import ini, keys, ports, readiness
from cluster.paths import build_dir, write_whole
from cluster.postgres import Postgres
from cluster.processes import Backoff, Spec, Supervisor

sys.path.insert(0, str(build_dir() / 'proto' / 'python'))

from lujian import options_pb2  # noqa: E402
from lujian.bus.v1 import envelope_pb2, log_pb2, node_pb2  # noqa: E402
from lujian.complaints.v1 import complaint_pb2  # noqa: E402
from lujian.registry.v1 import reference_pb2  # noqa: E402

HOST = '127.0.0.1'
READY_S = 60.0
BINARIES = {'complaints': 'lujian-note', 'supervision': 'lujian-echo'}
PERSONAL = ('张三丰测试', '19900001111', '楼下有人烧烤')  # invented; must be nowhere but in what asked for it


# What a process says when it finds a defect in itself.
DEFECT = re.compile(r'Sanitizer|runtime error:|ASSERT-FAILED')


class Answer:
    """What a door answered."""

    def __init__(self, head, body):
        self.head, self.body = head, body
        self.error = envelope_pb2.ErrorCode.Name(head.problem.error)[11:] if head.HasField('problem') else 'OK'
        self.code = head.problem.code if head.HasField('problem') else ''

    def complaint(self):
        """The body as a Complaint; fails where there is a problem."""
        assert self.error == 'OK', (self.error, self.code, self.head.problem.detail_en)
        return complaint_pb2.Complaint.FromString(self.body)


class Client:
    """One DEALER to one door."""

    def __init__(self, replica, pair):
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.setsockopt(zmq.CURVE_SERVERKEY, replica.public.encode())
        self.socket.setsockopt(zmq.CURVE_PUBLICKEY, pair[0].encode())
        self.socket.setsockopt(zmq.CURVE_SECRETKEY, pair[1].encode())
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.setsockopt(zmq.RECONNECT_IVL, 20)
        self.socket.connect(replica.door)
        self.ids = itertools.count(1)
        self.early = {}

    def close(self):
        self.socket.close()

    def send(self, method, request, key='', budget_ms=0, **head):
        made = envelope_pb2.RequestHead(id=next(self.ids), method=method, key=key, budget_ms=budget_ms, **head)
        self.socket.send_multipart([made.SerializeToString(), request.SerializeToString() if request else b''])
        return made.id

    def receive(self, wanted=None, timeout_s=20.0):
        """The next answer, under that id where one is wanted; None when the time is up."""
        until = time.monotonic() + timeout_s
        if self.early.get(wanted):
            return self.early[wanted].pop(0)
        while (left := until - time.monotonic()) > 0 and self.socket.poll(max(1, int(left * 1000))):
            head, body = self.socket.recv_multipart()
            answer = Answer(envelope_pb2.ResponseHead.FromString(head), body)
            if wanted is None or answer.head.id == wanted:
                return answer
            self.early.setdefault(answer.head.id, []).append(answer)
        return None

    def call(self, method, request=None, key='', timeout_s=20.0, **head):
        answer = self.receive(self.send(method, request, key, **head), timeout_s)
        assert answer, f'{method}: no answer'
        return answer

    def file(self, external_id, key=None, title='一条', text='内容', **head):
        return self.call('complaints.file', note(external_id, title, text), key or f'key-{external_id}', **head)


def note(external_id, title='一条', text='内容'):
    """A FileRequest."""
    return complaint_pb2.FileRequest(
        source='test-notes', external_id=external_id, channel=complaint_pb2.CHANNEL_WEB,
        type=complaint_pb2.COMPLAINT_TYPE_HELP, title=title, text=text, division='370102',
        caller=complaint_pb2.Caller(name=PERSONAL[0], phone=PERSONAL[1]))


@dataclass(eq=False)
class Replica:
    """A process of one of the two services."""
    service: str
    index: int
    door: str
    pulse: str
    admin: str
    pair: tuple
    cluster: 'Notes'
    env: dict = field(default_factory=dict)

    @property
    def name(self):
        return f'{self.service}-{self.index}'

    @property
    def public(self):
        return self.pair[0]

    @property
    def log(self):
        return self.cluster.home / 'log' / f'{self.name}.log'

    @property
    def child(self):
        return self.cluster.supervisor.child(self.name)

    def readiness(self):
        """(ready, reason), as readiness.wait asks for it."""
        host, port = self.admin.rsplit(':', 1)
        return readiness.ask(host, int(port))

    def page(self, path):
        """(status, text) of an admin page."""
        try:
            with urllib.request.urlopen(f'http://{self.admin}{path}', timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def lines(self, message=None):
        """The log's lines, those of one message where it is named."""
        found = []
        for line in self.log.read_text().splitlines():
            if line.startswith('{'):
                row = json.loads(line)
                if message in (None, row['msg']):
                    found.append(row)
        return found

    def stop(self):
        """SIGTERM, and wait for the end; the exit status."""
        self.cluster.supervisor.stop(self.name)
        return self.child.exits[-1].code

    def start(self, env=None):
        """Start it, with more in its environment, and wait until it is ready."""
        self.launch(env)
        readiness.wait([self], READY_S)

    def launch(self, env=None):
        argv = (str(build_dir() / 'services' / BINARIES[self.service]), f'--config={self.config}')
        self.cluster.supervisor.start(Spec(self.name, argv, self.log, env={**self.env, **(env or {})}))

    @property
    def config(self):
        return self.cluster.home / f'{self.name}.ini'


class Notes:
    """The two services on one PostgreSQL. `complaints` and `supervision` say how many replicas of each."""

    def __init__(self, home, complaints=1, supervision=0, extra=None, postgres=None):
        self.home = Path(home)
        self.supervisor = Supervisor(Backoff(first_s=0.05, most_s=0.4, calm_s=2.0))
        self.ports = ports.Ports()
        self.pairs = {name: keys.curve_pair() for name in ('hotline', 'unit', 'operator', 'county', 'edge')}
        (self.home / 'log').mkdir(parents=True, exist_ok=True)
        keys.key_file(self.home / 'keys' / 'page.key')
        self.own_postgres = postgres is None
        self.postgres = postgres or start_postgres(self.home, self.supervisor, self.ports)
        self.databases = {service: self.postgres.create(service) for service in BINARIES}
        self.replicas = [self._lay_out(service, index + 1, extra or {})
                         for service, count in (('complaints', complaints), ('supervision', supervision))
                         for index in range(count)]
        self._write_peers()

    def _lay_out(self, service, index, extra):
        made = Replica(service, index, *(f'tcp://{HOST}:{self.ports.take()}' for _ in range(2)),
                       f'{HOST}:{self.ports.take()}', keys.curve_pair(), self)
        key_file = self.home / 'keys' / f'{made.name}.curve'
        write_whole(key_file, ini.flat({'public': made.pair[0], 'secret': made.pair[1]}))
        write_whole(made.config, ini.flat({
            'instance': made.name, 'database': self.databases[service], 'door': made.door, 'pulse': made.pulse,
            'admin': made.admin, 'curve-key-file': key_file, 'peers': self.home / 'peers.ini',
            'keys-dir': self.home / 'keys', 'clock-offset-file': self.home / 'clock-offset', **extra}))
        return made

    def _write_peers(self):
        table = {one.name: {'service': one.service, 'door': one.door, 'pulse': one.pulse, 'admin': one.admin,
                            'public_key': one.public} for one in self.replicas}
        table['gateway-1'] = {'service': 'gateway', 'public_key': self.pairs['edge'][0]}
        write_whole(self.home / 'peers.ini', ini.sections(table))

    def start(self):
        """Migrate, write the facts, start all, wait until they are ready."""
        for service in sorted({one.service for one in self.replicas}):
            self.migrate(service)
            self.write_facts(service)
        for one in self.replicas:
            one.launch()
        readiness.wait(self.replicas, READY_S)
        return self

    def migrate(self, service):
        first = next(one for one in self.replicas if one.service == service)
        self.supervisor.start(Spec(f'{service}-migrate', (
            str(build_dir() / 'services' / BINARIES[service]), f'--config={first.config}', '--migrate'),
            self.home / 'log' / f'{service}-migrate.log'))
        child = self.supervisor.child(f'{service}-migrate')
        self.supervisor.wait(lambda: child.exits, READY_S, 'the migration')
        self.supervisor.stop(f'{service}-migrate')
        assert child.exits[0].code == 0

    def write_facts(self, service, revoked=()):
        """Principals and divisions, into the mirror's tables."""
        rows = [('division', code, reference_pb2.ReferenceRow(division=reference_pb2.Division(
            code=code, name=code, level=level, parent=parent)))
            for code, level, parent in (('37', 1, ''), ('3701', 2, '37'), ('370102', 3, '3701'), ('3702', 2, '37'))]
        people = (('hotline', options_pb2.ROLE_HOTLINE, '3701'), ('unit', options_pb2.ROLE_UNIT, '370102'),
                  ('operator', options_pb2.ROLE_OPERATOR, '37'), ('county', options_pb2.ROLE_SUPERVISOR, '370102'))
        for name, role, jurisdiction in people:
            rows.append(('principal', f'{name}:k1', reference_pb2.ReferenceRow(principal=reference_pb2.Principal(
                id=name, key_id='k1', roles=[role], jurisdiction=jurisdiction, sources=['test-*'],
                curve_public=self.pairs[name][0], revoked=name in revoked))))
        with self.sql(service) as cursor:
            for position, (kind, key, row) in enumerate(rows, 1):
                cursor.execute('INSERT INTO mirror_row VALUES (%s, %s, %s, %s) ON CONFLICT (kind, key) DO UPDATE '
                               'SET data = excluded.data, position = excluded.position',
                               (kind, key, position, row.SerializeToString()))
            cursor.execute('UPDATE mirror_state SET applied = applied + 100, reached = true')
            cursor.execute("SELECT pg_notify('mirror', '')")

    def sql(self, service='complaints'):
        """A cursor as superuser, in a transaction that commits at the end of the block."""
        return Sql(self.postgres.uri(database=f'lujian_{service}'))

    def client(self, replica, who='hotline'):
        return Client(replica, self.pairs[who])

    def of(self, service):
        return [one for one in self.replicas if one.service == service]

    def close(self):
        self.supervisor.close()
        self.ports.close()
        faults = [f'{one.name}: {line}' for one in self.replicas if one.log.exists()
                  for line in one.log.read_text(errors='replace').splitlines() if DEFECT.search(line)]
        assert not faults, faults
        if not self.own_postgres:
            for service in BINARIES:
                with Sql(self.postgres.uri(), autocommit=True) as cursor:
                    cursor.execute(f'DROP DATABASE lujian_{service} WITH (FORCE)')


def start_postgres(home, supervisor, taken):
    """A PostgreSQL of its own."""
    made = Postgres(home, supervisor, HOST, taken.take(), 100)
    made.start()
    return made


class Sql:
    """One transaction on a connection of its own."""

    def __init__(self, uri, autocommit=False):
        self.connection = psycopg2.connect(uri)
        self.connection.autocommit = autocommit

    def __enter__(self):
        self.cursor = self.connection.cursor()
        return self.cursor

    def __exit__(self, kind, *_):
        if kind:
            self.connection.rollback()
        else:
            self.connection.commit()
        self.connection.close()

    @staticmethod
    def one(cursor, statement, *values):
        cursor.execute(statement, values)
        return cursor.fetchone()[0]


def fresh_home():
    """A folder that PostgreSQL's user can reach."""
    made = Path(tempfile.mkdtemp(prefix='lujian-skeleton-'))
    made.chmod(0o711)
    return made


@pytest.fixture
def home():
    made = fresh_home()
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope='session')
def server():
    """A PostgreSQL for all tests that do it no harm."""
    made, taken = fresh_home(), ports.Ports()
    supervisor = Supervisor(Backoff(first_s=0.05, most_s=0.4))
    (made / 'log').mkdir()
    yield start_postgres(made, supervisor, taken)
    supervisor.close()
    taken.close()
    shutil.rmtree(made)


@pytest.fixture
def cluster(home, server, request):
    """Running services: @pytest.mark.parametrize('cluster', [{...}], indirect=True) for other numbers."""
    made = Notes(home, postgres=server, **getattr(request, 'param', {}))
    try:
        yield made.start()
    finally:
        made.close()


def unique():
    """A text that nothing else has."""
    return uuid.uuid4().hex[:12]


def wait_for(condition, timeout_s=20.0, what='it'):
    """Until the condition holds; its value. For what is told by nothing but looking."""
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f'{what} did not come in {timeout_s} s')


__all__ = ['Answer', 'Client', 'Notes', 'PERSONAL', 'Replica', 'Sql', 'complaint_pb2', 'log_pb2', 'node_pb2', 'note',
           'os', 'unique', 'wait_for']
