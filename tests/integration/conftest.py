"""One real cluster for all tests of this folder: two replicas of complaints and supervision, real PostgreSQL and Redis.

Civil time only moves forward and tests share it, so each test files complaints of its own and looks at those alone.
"""
import contextlib
import http.client
import itertools
import json
import shutil
import sys
import tempfile
import threading
import urllib.parse
import uuid
from pathlib import Path

import pytest

from cluster import Cluster
from cluster.paths import build_dir

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / 'services/sdk/python'), str(build_dir() / 'proto/python'), str(ROOT / 'tests')]

# Thousands of complaints, whose clocks all run out with the next test's; keys that others have in their hands.
LAST = ('test_group_commit', 'test_rotation')


def pytest_collection_modifyitems(items):
    """What leaves something behind that others would feel comes last."""
    items.sort(key=lambda item: item.module.__name__ in LAST)


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.text = response.read().decode()

    @property
    def json(self):
        return json.loads(self.text)

    def expect(self, status, code=None):
        assert self.status == status, f'{self.status}: {self.text}'
        if status >= 400:
            problem = self.json
            assert self.headers['Content-Type'].startswith('application/problem+json')
            assert problem['status'] == status and problem['code'] and problem['type'].endswith(problem['code'])
            if code:
                assert problem['code'] == code, self.text
        return self.json


class Api:
    """A principal's view of the HTTP door; a connection a thread, kept alive."""

    def __init__(self, url, token):
        self.host, self.token = urllib.parse.urlsplit(url).netloc, token
        self.local = threading.local()

    def request(self, method, path, body=None, headers=None, raw=None):
        data = raw if raw is not None else (None if body is None else json.dumps(body).encode())
        sent = {'Content-Type': 'application/json'} if data is not None else {}
        if self.token:
            sent['Authorization'] = f'Bearer {self.token}'
        sent.update(headers or {})
        for fresh in (False, True):
            connection = getattr(self.local, 'connection', None)
            if connection is None or fresh:
                connection = self.local.connection = http.client.HTTPConnection(self.host, timeout=90)
            try:
                connection.request(method, path, data, {k: v for k, v in sent.items() if v is not None})
                return Answer(connection.getresponse())
            except (http.client.HTTPException, OSError) as error:
                self.local.connection = None
                if fresh or not isinstance(error, (http.client.RemoteDisconnected, ConnectionError)):
                    raise

    def get(self, path, **query):
        text = urllib.parse.urlencode({k.rstrip('_'): v for k, v in query.items()})
        return self.request('GET', f'{path}?{text}' if text else path)

    def post(self, path, body=None, **headers):
        return self.request('POST', path, {} if body is None else body,
                            {name.replace('_', '-'): value for name, value in headers.items()})

    def act(self, complaint, action, body=None, **headers):
        return self.post(f'/v1/complaints/{complaint["id"]}:{action}', body, **headers)

    def events(self, stream, after='', **query):
        """All from the cursor to the head, and the head's cursor."""
        found = []
        while True:
            page = self.get('/v1/events', stream=stream, **({'after': after} if after else {}), limit=1000, **query).expect(200)
            found += page['events']
            if page['through'] == after:
                return found, after
            after = page['through']


def door(replica, owned):
    """The door of a replica, for the bearer of a key."""
    from lujian_client import Door
    return Door(replica.rpc, replica.public_key, owned['curve_public'], owned['curve_secret'])


def heard(replica, owned):
    """Whether the door of a replica answers the bearer of a key."""
    from lujian.bus.v1 import node_pb2
    with contextlib.closing(door(replica, owned)) as there:
        return there.receive(there.send(f'{replica.service}.ping', node_pb2.PingRequest()), 2) is not None


class World:
    """The cluster and everybody in it."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.url = cluster.endpoints['gateway']
        self.credentials = cluster.credentials
        self.numbers = itertools.count(1)
        self.run = uuid.uuid4().hex[:8]
        self.nobody = Api(self.url, None)

    def __getattr__(self, principal):
        if principal not in self.credentials:
            raise AttributeError(principal)
        api = Api(self.url, self.credentials[principal]['token'])
        setattr(self, principal, api)
        return api

    def door(self, principal):
        """The door of the first replica of complaints."""
        return self.doors(principal, 'complaints')[0]

    def doors(self, principal, service):
        """The door of every replica, for one thread."""
        return [door(replica, self.credentials[principal]) for replica in self.cluster.of(service)]

    def complaint(self, **changes):
        """A filing request of a number of its own; None takes a field out."""
        body = {
            'source': 'test-it', 'external_id': f'{self.run}-{next(self.numbers)}', 'channel': 'phone',
            'type': 'complaint', 'category': '城管执法', 'title': '夜间占道经营', 'text': '路口每晚有摊贩占道。',
            'division': '370102',
            'caller': {'name': '测试市民', 'phone': '19900001234', 'confidential': False, 'wants_reply': True},
        }
        body.update(changes)
        return {k: v for k, v in body.items() if v is not None}

    def filed(self, **changes):
        return self.hotline_3701.post('/v1/complaints', self.complaint(**changes)).expect(201)

    def advance(self, **delta):
        import datetime
        seconds = int(datetime.timedelta(**delta).total_seconds())
        return self.operator.post('/v1/time:advance', {'seconds': seconds}).expect(200)

    def now(self):
        return self.advance(seconds=0)['civil_time']


@contextlib.contextmanager
def new_world(replicas, **options):
    """A cluster of so many replicas, which nobody else has touched."""
    home = Path(tempfile.mkdtemp(prefix='lujian-it-'))
    home.chmod(0o711)
    try:
        with Cluster(home / 'run', replicas, **options) as cluster:
            cluster.wait_ready()
            yield World(cluster)
    finally:
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope='session')
def world():
    with new_world({'complaints': 2, 'supervision': 2}) as made:
        yield made
