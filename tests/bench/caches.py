"""Reads a second with and without the cache: two replicas of complaints on one database, one of them without Redis.

Reads are over ZeroMQ, 32 in flight, by turns from the two; once while nobody writes, and once while complaints that are read
are filed and signed.
"""
import collections
import contextlib
import random
import statistics
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import psycopg2
from lujian.bus.v1 import envelope_pb2
from lujian.complaints.v1 import complaint_pb2
from lujian_client import Door
from rig import complaint, cpu_seconds

from cluster import Cluster

STORED = 4000
HOT = 100
WRITES_S = 50 # filings, and as many acts
IN_FLIGHT = 32
READERS = {'with': 0, 'without': 1} # replicas
# Where the unit and the centre of the cast are that write; the others are only read.
OURS = '370102'
DIVISIONS = [OURS, '370103', '370104', '370105', '370112', '370113', '370114', '370115']


def _filing(number, division):
    fields = complaint(f'c-{number}')
    caller = fields.pop('caller')
    return complaint_pb2.FileRequest(
        **fields | {'channel': complaint_pb2.CHANNEL_PHONE, 'type': complaint_pb2.COMPLAINT_TYPE_COMPLAINT,
                    'division': division}, caller=complaint_pb2.Caller(**caller))


class Readers:
    """The two replicas, and the complaints that are read from them."""

    def __init__(self, rig):
        self._stack = contextlib.ExitStack()
        self.cluster = self._stack.enter_context(
            Cluster(rig.home / 'caches', {'complaints': 2}, extra={'complaints-2': {'redis': ''}}))
        self._stack.callback(self.cluster.purge)
        self._stack.callback(self.cluster.stop)
        try:
            self.cluster.wait_ready()
            self.replicas = self.cluster.endpoints['services']['complaints']
            self.ids = self._fill()
            self.hot = random.sample(self.ids, HOT)
        except BaseException:
            self._stack.close()
            raise

    def close(self):
        """Ends the cluster and takes its data away."""
        self._stack.close()

    def door(self, principal, index):
        """A connection of somebody to one of them."""
        me, there = self.cluster.credentials[principal], self.replicas[index]
        return Door(there['rpc'], there['curve_server_key'], me['curve_public'], me['curve_secret'])

    def _fill(self):
        local = threading.local()

        def file(number):
            if not hasattr(local, 'door'):
                local.door = self.door('hotline_3701', number % 2)
            filed = local.door.call('complaints.file', _filing(number, DIVISIONS[number % len(DIVISIONS)]),
                                    complaint_pb2.Complaint)
            return filed.id
        with ThreadPoolExecutor(16) as pool:
            return list(pool.map(file, range(STORED)))

    def scenarios(self):
        """{what is read: the next call}."""
        return {
            'one of 100': lambda: ('complaints.get', complaint_pb2.GetRequest(id=random.choice(self.hot))),
            'one of all': lambda: ('complaints.get', complaint_pb2.GetRequest(id=random.choice(self.ids))),
            'page of a county': lambda: ('complaints.list', complaint_pb2.ListRequest(division=random.choice(DIVISIONS))),
            'page of the city': lambda: ('complaints.list', complaint_pb2.ListRequest(division='3701')),
        }

    def _hits(self, index):
        """Reads of the cache so far, by result."""
        found = collections.Counter()
        with urllib.request.urlopen(self.replicas[index]['admin'] + '/metrics', timeout=30) as answer:
            for line in answer.read().decode().splitlines():
                if line.startswith('lujian_cache_reads_total{'):
                    found[line.split('result="')[1].split('"')[0]] += float(line.rpartition(' ')[2])
        return found['hit']

    def _cpu_s(self, index):
        """Of the replica, of its backends, and of Redis."""
        with contextlib.closing(psycopg2.connect(self.cluster.postgres.uri())) as connection, connection.cursor() as cursor:
            cursor.execute('SELECT pid FROM pg_stat_activity WHERE application_name LIKE %s', (f'complaints-{index + 1}%',))
            backends = [row[0] for row in cursor]
        return cpu_seconds([self.replicas[index]['pid'], self.cluster.supervisor.child('redis').pid, *backends])

    def read(self, index, make, seconds):
        """As many as are answered in the time."""
        door = self.door('supervisor_37', index)
        hits, cpu = self._hits(index), self._cpu_s(index)
        sent, times = {}, []
        began = time.monotonic()
        for _ in range(IN_FLIGHT):
            sent[door.send(*make())] = time.monotonic()
        while sent:
            if not door.socket.poll(10_000):
                raise RuntimeError('no answer in 10 s')
            head = envelope_pb2.ResponseHead.FromString(door.socket.recv_multipart()[0])
            if head.HasField('problem'):
                raise RuntimeError(f'{head.problem.code}: {head.problem.detail_en}')
            now = time.monotonic()
            times.append(now - sent.pop(head.id))
            if now < began + seconds:
                sent[door.send(*make())] = time.monotonic()
        took = time.monotonic() - began
        found = {'reads_s': len(times) / took, 'p50_ms': statistics.median(times) * 1000,
                 'cpu_s_per_1000': (self._cpu_s(index) - cpu) / len(times) * 1000}
        door.close()
        return found, (self._hits(index) - hits) / len(times)


class Writing(threading.Thread):
    """Files complaints that are read from then on in place of others, and signs each a little later, at a pace."""

    def __init__(self, readers):
        super().__init__(daemon=True)
        self._readers, self._over, self._fault = readers, threading.Event(), None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self.join()
        if self._fault:
            raise self._fault

    def run(self):
        """Until it is over."""
        try:
            self._write(self._readers.door('hotline_3701', 1), self._readers.door('unit_370102', 1))
        except Exception as e: # told by whoever waits for it
            self._fault = e

    def _write(self, centre, unit):
        filed = collections.deque()
        while not self._over.wait(1 / WRITES_S):
            number = f'{id(self)}-{len(filed)}-{time.monotonic_ns()}'
            filed.append(centre.call('complaints.file', _filing(number, OURS), complaint_pb2.Complaint).id)
            for read in (self._readers.hot, self._readers.ids):
                read[random.randrange(len(read))] = filed[-1]
            if len(filed) > WRITES_S: # a second later
                unit.call('complaints.sign', complaint_pb2.SignRequest(id=filed.popleft()), complaint_pb2.Complaint)
        centre.close()
        unit.close()


def _round(readers, make, turn, seconds):
    """Both replicas, by turns also in which is first."""
    found = {}
    for which in sorted(READERS, reverse=bool(turn % 2)):
        found[which], hits = readers.read(READERS[which], make, seconds)
        if which == 'with':
            found['hits'] = hits
    return found


def measure(rig, samples, rounds, seconds):
    """Fills samples with `reads: ...`, one a round."""
    random.seed(STORED)
    rig.settle()
    with contextlib.closing(Readers(rig)) as readers:
        for turn in range(rounds):
            for kind, writing in (('', contextlib.nullcontext()), (' under writes', Writing(readers))):
                with writing:
                    for name, make in readers.scenarios().items():
                        found = _round(readers, make, turn, seconds)
                        samples.setdefault(f'reads: {name}{kind}', []).append(found)
            rig.say(f'round {turn + 1}: reads with Redis and without')
