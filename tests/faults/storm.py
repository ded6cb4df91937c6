"""An intake storm: clients that file complaints and answer some of them, in shuffled batches, and blindly send again.

Each client holds a batch of tasks. A task is a row of commands, filing first; a command has one key for ever and is sent
again, at whichever replica, until the answer is definite. A pass over the batch sends every task's next command once, in
an order that is shuffled anew each time.
"""
import collections
import http.client
import json
import random
import threading
import time
import urllib.parse
import uuid
from datetime import datetime

from lujian.bus.v1 import envelope_pb2
from lujian.complaints.v1 import complaint_pb2
from lujian_client import Door, Refused

SOURCE = 'test-storm'
HOME, ELSEWHERE = '370102', '370103'
BATCH = 6
EACH_S = 1.0                # a client takes no more than a batch in so long: 12 of them file 72 in a second
PAUSE_S = 0.03              # between two passes in which nothing was definite
HTTP_PATIENCE_S = 3.0
BUS_PATIENCE_S = 1.5
SHUNNED_S = 3.0             # a door that kept silence is left alone for so long, where another one is open
FINISH_S = 60.0
INDEFINITE = {envelope_pb2.ErrorCode.Value(f'ERROR_CODE_{name}') for name in (
    'IN_PROGRESS', 'RATE_LIMITED', 'NOT_EXECUTED', 'OUTCOME_UNKNOWN', 'INTERNAL')}
TITLE, TEXT = '夜间占道经营', '路口每晚有摊贩占道。'


class Indefinite(Exception):
    """What came is no definite answer: `reason` says what it was."""

    def __init__(self, reason):
        super().__init__(reason)
        self.reason = reason


class Task:
    """One complaint and what is still to be done about it: of eight, six are answered and one is another county's."""

    def __init__(self, run, number):
        self.external_id, self.id = f'{run}-{number}', None
        self.division = ELSEWHERE if number % 8 == 7 else HOME
        self.steps = ['file', 'sign', 'reply'] if number % 8 < 6 else ['file']

    @property
    def key(self):
        """The key of the next command."""
        return f'{self.external_id}-{self.steps[0]}'

    def command(self):
        """(who, body) of the next command; the body as JSON has it, without the id."""
        if self.steps[0] == 'file':
            return 'hotline_3701', {
                'source': SOURCE, 'external_id': self.external_id, 'channel': 'phone', 'type': 'complaint',
                'category': '城管执法', 'title': TITLE, 'text': TEXT, 'division': self.division,
                'caller': {'name': '测试市民', 'phone': '19900001234', 'confidential': False, 'wants_reply': True}}
        return 'unit_370102', {'text': '已处理'} if self.steps[0] == 'reply' else {}


class HttpClient:
    """A connection to one gateway; to another one when it breaks."""

    def __init__(self, cluster):
        self.gateways = [replica.instance.http for replica in cluster.of('gateway')]
        self.tokens = {who: cluster.credentials[who]['token'] for who in ('hotline_3701', 'unit_370102')}
        self.connection, self.url = None, ''

    def send(self, task):
        """The complaint's id; Indefinite."""
        who, body = task.command()
        step = task.steps[0]
        path = '/v1/complaints' if step == 'file' else f'/v1/complaints/{task.id}:{step}'
        return self._post(who, path, task.key, body)

    def _post(self, who, path, key, body):
        try:
            if self.connection is None:
                self.connection = self._connect()
            self.connection.request('POST', path, json.dumps(body).encode(), {
                'Authorization': f'Bearer {self.tokens[who]}', 'Content-Type': 'application/json',
                'Idempotency-Key': key})
            answer = self.connection.getresponse()
            told = json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            raise Indefinite(type(error).__name__) from error
        if answer.status in (429, 500, 502, 503, 504) or told.get('code') == 'in_progress':
            raise Indefinite(f'{answer.status} {told.get("code")}')
        assert answer.status in (200, 201), (path, answer.status, told)
        return told['id']

    def _connect(self):
        """To whichever gateway listens: where none takes the connection, nothing was sent."""
        for url in random.sample(self.gateways, len(self.gateways)):
            made = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=HTTP_PATIENCE_S)
            try:
                made.connect()
                self.url = url
                return made
            except ConnectionRefusedError:
                made.close()
        raise ConnectionRefusedError('no gateway listens')

    def close(self):
        """Forget the connection."""
        if self.connection:
            self.connection.close()
            self.connection = None


class CarefulClient(HttpClient):
    """Never sends a thing twice: whatever is not done at the first sending is an error, and ends the test.

    What a proxy in front of two gateways does is done here: one that takes no connection, or answers that it is
    draining, has done nothing, and the other one is asked. Connections are not kept, as one that is may be closed while
    it is written to.
    """

    draining = ''           # the gateway that may say so

    def _post(self, who, path, key, body):
        try:
            return super()._post(who, path, key, body)
        except Indefinite as error:
            if error.reason.startswith('503') and self.connection and self.url == CarefulClient.draining:
                raise
            raise AssertionError(f'{path} by {self.url}: {error.reason}') from error
        finally:
            self.close()


def message(task, told):
    """What the body of the next command is on the wire."""
    if task.steps[0] != 'file':
        return getattr(complaint_pb2, f'{task.steps[0].capitalize()}Request')(id=task.id, **told)
    coded = {'channel': complaint_pb2.Channel.Value(f'CHANNEL_{told["channel"].upper()}'),
             'type': complaint_pb2.ComplaintType.Value(f'COMPLAINT_TYPE_{told["type"].upper()}')}
    if 'received_at' in told:
        coded['received_at'] = round(datetime.fromisoformat(told['received_at']).timestamp() * 1000)
    return complaint_pb2.FileRequest(**(told | coded))


class BusClient:
    """Doors of every replica of complaints, for a centre and for a unit; each sending goes to one of them."""

    def __init__(self, cluster):
        self.silent = {}        # door: when it was
        self.doors = {who: [self._door(cluster, replica, who) for replica in cluster.of('complaints')]
                      for who in ('hotline_3701', 'unit_370102')}

    @staticmethod
    def _door(cluster, replica, who):
        own = cluster.credentials[who]
        return Door(replica.rpc, replica.public_key, own['curve_public'], own['curve_secret'])

    def send(self, task):
        """The complaint's id; Indefinite."""
        who, told = task.command()
        door = self._choose(self.doors[who])
        try:
            body = door.receive(door.send(f'complaints.{task.steps[0]}', message(task, told), task.key), BUS_PATIENCE_S)
        except Refused as refused:
            if refused.problem.error in INDEFINITE:
                raise Indefinite(refused.problem.code) from refused
            raise
        if body is None:
            self.silent[door] = time.monotonic()
            raise Indefinite('silence')
        return complaint_pb2.Complaint.FromString(body).id

    def _choose(self, doors):
        since = time.monotonic() - SHUNNED_S
        return random.choice([door for door in doors if self.silent.get(door, since) <= since] or doors)

    def close(self):
        """Close every socket."""
        for doors in self.doors.values():
            for door in doors:
                door.close()


class Storm:
    """`count` complaints by `web` clients over HTTP and `bus` clients over ZeroMQ, all sending again, and by `careful` ones
    that do not; without a count it goes on until finish(). `make(run, number)` makes its tasks."""

    def __init__(self, cluster, account, count=0, web=8, bus=4, careful=0, make=Task, each_s=EACH_S):
        self.account, self.endless, self.make, self.each_s = account, not count, make, each_s
        self.run = uuid.uuid4().hex[:8]
        self.left = count
        self.acknowledged = {}          # external id: id
        self.replied = []               # ids whose reply was acknowledged
        self.outcomes = collections.Counter()
        self.failure = None
        self.changed = threading.Condition()
        self.stopping = threading.Event()
        makers = [HttpClient] * web + [BusClient] * bus + [CarefulClient] * careful
        self.threads = [threading.Thread(target=self._client, args=(maker, cluster), daemon=True) for maker in makers]
        self.number = 0

    # ------------------------------------------------------------------ for the test

    def start(self):
        """Let it begin; itself."""
        for thread in self.threads:
            thread.start()
        return self

    def progress(self, more=30, timeout_s=30.0):
        """Return when so many more complaints were acknowledged, or the storm is over."""
        with self.changed:
            target = len(self.acknowledged) + more
            done = self.changed.wait_for(
                lambda: self.failure or len(self.acknowledged) >= target or not self._alive(), timeout_s)
        self._raise()
        assert done, f'{more} more were not acknowledged in {timeout_s:g} s: {self.outcomes}'

    def hold(self, seconds):
        """Let so much time pass in the storm: how long a thing stands still is what nothing but time can tell."""
        with self.changed:
            self.changed.wait_for(lambda: self.failure, seconds)
        self._raise()

    def finish(self):
        """Let one without a count come to its end; return when every task is done."""
        with self.changed:
            self.left, self.endless = 0 if self.endless else self.left, False
        until = time.monotonic() + FINISH_S
        for thread in self.threads:
            thread.join(max(0.0, until - time.monotonic()))
        self._raise()
        assert not self._alive(), f'not done after {FINISH_S:g} s: {self.outcomes}'
        return self

    def abandon(self):
        """After a test, however it went."""
        self.stopping.set()
        for thread in self.threads:
            thread.join(2 * HTTP_PATIENCE_S)

    def _raise(self):
        if self.failure:
            raise self.failure

    def _alive(self):
        return any(thread.is_alive() for thread in self.threads)

    # ------------------------------------------------------------------ in the clients' threads

    def _client(self, maker, cluster):
        client = maker(cluster)
        try:
            while not self.stopping.is_set() and (batch := self._batch()):
                next_s = time.monotonic() + self.each_s
                while batch and not self.stopping.is_set():
                    random.shuffle(batch)
                    if not self._pass(client, batch):
                        self.stopping.wait(PAUSE_S)
                    batch = [task for task in batch if task.steps]
                self.stopping.wait(max(0.0, next_s - time.monotonic()))
        except BaseException as error:  # pylint: disable=broad-except
            with self.changed:
                self.failure = self.failure or error
        finally:
            client.close()
            with self.changed:
                self.changed.notify_all()

    def _batch(self):
        with self.changed:
            size = BATCH if self.endless else min(BATCH, self.left)
            self.left -= size
            first, self.number = self.number, self.number + size
        return [self.make(self.run, number) for number in range(first, first + size)]

    def _pass(self, client, batch):
        """Each task's next command once; how many answers were definite."""
        definite = 0
        for task in batch:
            if self.stopping.is_set():
                break
            try:
                told = client.send(task)
            except Indefinite as error:
                self._count(error.reason)
                continue
            definite += 1
            assert task.id in (None, told), f'{task.external_id} was {task.id}, now it is {told}'
            task.id = told
            self._done(task, task.steps.pop(0))
        return definite

    def _count(self, reason):
        with self.changed:
            self.outcomes[reason] += 1

    def _done(self, task, step):
        with self.changed:
            self.outcomes['ok'] += 1
            if step == 'file':
                self.acknowledged[task.external_id] = task.id
                self.account.acknowledged[task.external_id] = task.id
            elif step == 'reply':
                self.replied.append(task.id)
                self.account.replied.add(task.id)
            self.changed.notify_all()
