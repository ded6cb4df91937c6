"""Redis stopped, killed, emptied at any moment changes answers by nothing but time.

Every complaint here is one thread's alone, so that thread knows after each of its commands what every replica must
answer from then on: the command's own answer. Cards and orders likewise. Before, between and after, Redis is treated as
badly as can be.
"""
import contextlib
import itertools
import json
import socket
import threading
import time
import urllib.parse
import urllib.request

import psycopg2
import pytest
from lujian.complaints.v1 import complaint_pb2
from lujian.supervision.v1 import supervision_pb2

from test_doors import as_message
from test_orders import twice_unsatisfied

WRITERS = 2
WAIT_S = 60


def redis_says(world, *words):
    """One command to Redis behind everybody's back; its raw answer."""
    at = urllib.parse.urlsplit(world.cluster.endpoints['redis'])
    with socket.create_connection((at.hostname, at.port), timeout=30) as connection:
        command = b'*%d\r\n' % len(words) + b''.join(b'$%d\r\n%s\r\n' % (len(w), w) for w in words)
        connection.sendall(command + b'*1\r\n$4\r\nQUIT\r\n')
        return b''.join(iter(lambda: connection.recv(65536), b''))


def figure(world, service, name):
    """A sample of /metrics, over the replicas."""
    total = 0.0
    for there in world.cluster.endpoints['services'][service]:
        with urllib.request.urlopen(there['admin'] + '/metrics', timeout=30) as answer:
            total += sum(float(line.rpartition(' ')[2]) for line in answer.read().decode().splitlines()
                         if line.rpartition(' ')[0] == name)
    return total


def reads(kind, result):
    return f'lujian_cache_reads_total{{kind="{kind}",result="{result}"}}'


def wait_for(condition, what):
    until = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < until, f'{what}: not within {WAIT_S} s'
        time.sleep(0.02)


@pytest.fixture
def whole_redis(world):
    """Redis as it should be, before and after."""
    def mend():
        world.cluster.redis.sigcont()
        world.cluster.redis.wait_ready()
    mend()
    yield
    mend()


def breakers_closed(world):
    """Whoever had given Redis up has found it again."""
    for service in ('complaints', 'supervision'):
        probe = world.doors('supervisor_37', service)
        request, answer, method = {
            'complaints': (complaint_pb2.ListRequest(page_size=1), complaint_pb2.ListResponse, 'complaints.list'),
            'supervision': (supervision_pb2.ListCardsRequest(page_size=1), supervision_pb2.ListCardsResponse,
                            'supervision.list_cards'),
        }[service]

        def closed():
            for door in probe:
                door.call(method, request, answer)
            return figure(world, service, 'lujian_cache_breaker{state="closed"}') == len(probe)
        wait_for(closed, f'{service}: the breakers close')
        for door in probe:
            door.close()


class Writer(threading.Thread):
    """Files complaints and acts on them; after each command every replica answers as that command did."""

    def __init__(self, world, stop):
        super().__init__()
        self.world, self.stop = world, stop
        self.rounds, self.known, self.failure = 0, {}, None

    def run(self):
        try:
            self.centre = self.world.doors('hotline_3701', 'complaints')
            self.unit = self.world.doors('unit_370102', 'complaints')
            while not self.stop.is_set():
                self.round()
                self.rounds += 1
        except BaseException as failure:  # noqa: B902: told by whoever joins
            self.failure = failure
        finally:
            for door in self.centre + self.unit:
                door.close()

    def round(self):
        replicas = itertools.cycle(range(len(self.centre)))
        filed = self.centre[next(replicas)].call(
            'complaints.file', as_message(self.world.complaint()), complaint_pb2.Complaint)
        self.looks(filed)
        acts = (
            ('sign', complaint_pb2.SignRequest(id=filed.id)),
            ('contact', complaint_pb2.ContactRequest(id=filed.id, reached=True, note='已联系')),
            ('reply', complaint_pb2.ReplyRequest(id=filed.id, text=f'已处理，第{self.rounds}轮', basis='《条例》第一条')),
        )
        for verb, request in acts:
            answer = self.unit[next(replicas)].call(f'complaints.{verb}', request, complaint_pb2.Complaint)
            assert answer.version > filed.version
            self.looks(self.as_centre(filed, answer))

    @staticmethod
    def as_centre(filed, answer):
        """What the unit was answered, with the caller as the centre sees it."""
        seen = complaint_pb2.Complaint()
        seen.CopyFrom(answer)
        seen.caller.CopyFrom(filed.caller)
        return seen

    def looks(self, known):
        """Each replica: the first fills the cache, the second finds it there."""
        self.known[known.id] = known
        for door in self.centre:
            got = door.call('complaints.get', complaint_pb2.GetRequest(id=known.id), complaint_pb2.Complaint)
            assert got == known
            clocks = door.call('complaints.clocks', complaint_pb2.ClocksRequest(id=known.id),
                               complaint_pb2.ClocksResponse)
            assert list(clocks.clocks) == list(known.clocks)
            for wanted in (dict(external_id=known.external_id, source=known.source),
                           dict(division='370102', page_size=50), dict(state=known.state, page_size=50)):
                page = door.call('complaints.list', complaint_pb2.ListRequest(**wanted), complaint_pb2.ListResponse)
                assert [c for c in page.complaints if c.id == known.id] == [known], wanted


class Overseer:
    """A county's cards and orders, acted on one by one; after each act every replica shows what that answered."""

    LISTS = {
        'card': (supervision_pb2.ListCardsRequest, supervision_pb2.ListCardsResponse, supervision_pb2.CARD_STATE_OPEN),
        'order': (supervision_pb2.ListOrdersRequest, supervision_pb2.ListOrdersResponse,
                  supervision_pb2.ORDER_STATE_ISSUED),
    }
    ONE = {'card': (supervision_pb2.GetCardRequest, supervision_pb2.Card),
           'order': (supervision_pb2.GetOrderRequest, supervision_pb2.Order)}

    def __init__(self, world):
        ignored = world.filed()
        world.advance(days=6)
        discontent = [twice_unsatisfied(world.hotline_3701, world.unit_370102, world.filed()) for _ in range(2)]
        self.subjects = {'card': [ignored['id']], 'order': [complaint['id'] for complaint in discontent]}
        self.supervisor = world.doors('supervisor_370102', 'supervision')
        self.unit = world.doors('unit_370102', 'supervision')
        self.seen = {}
        world.now()  # answers once supervision has caught up
        for kind, subjects in self.subjects.items():
            wait_for(lambda kind=kind, least=len(subjects): len(self.listed(self.supervisor[0], kind)) >= least, kind)
            self.seen[kind] = self.listed(self.supervisor[0], kind)
        self.left = [('card', self.supervisor, 'acknowledge_card', supervision_pb2.AcknowledgeCardRequest(id=card))
                     for card in self.seen['card']]
        for order in self.seen['order']:
            self.left += [
                ('order', self.unit, 'sign_order', supervision_pb2.SignOrderRequest(id=order)),
                ('order', self.unit, 'reply_order', supervision_pb2.ReplyOrderRequest(id=order, text='已约谈责任人')),
                ('order', self.supervisor, 'close_order', supervision_pb2.CloseOrderRequest(id=order, verdict='已督办')),
            ]

    def listed(self, door, kind, **wanted):
        request, response, _ = self.LISTS[kind]
        pages = [door.call(f'supervision.list_{kind}s', request(subject=subject, **wanted), response)
                 for subject in self.subjects[kind]]
        return {one.id: one for page in pages for one in getattr(page, f'{kind}s')}

    def acts(self):
        """One act, where one is left."""
        if self.left:
            kind, doors, verb, request = self.left.pop(0)
            answer = doors[len(self.left) % 2].call(f'supervision.{verb}', request, self.ONE[kind][1])
            assert answer.version > self.seen[kind][answer.id].version
            self.seen[kind][answer.id] = answer

    def looks(self, *kinds):
        """Each replica twice: what the first reading fills the second finds there."""
        for door, kind in itertools.product(self.supervisor[::-1] * 2, kinds or self.LISTS):
            seen, first = self.seen[kind], self.LISTS[kind][2]
            request, message = self.ONE[kind]
            assert self.listed(door, kind) == seen
            assert self.listed(door, kind, state=first) == {key: one for key, one in seen.items() if one.state == first}
            for key, one in seen.items():
                assert door.call(f'supervision.get_{kind}', request(id=key), message) == one


def rows_of(world, ids):
    uri = world.cluster.postgres.uri(database='lujian_complaints')
    with contextlib.closing(psycopg2.connect(uri)) as connection, connection.cursor() as cursor:
        cursor.execute('SELECT id::text, version, state, reply_text FROM complaint WHERE id = ANY (%s::uuid[])',
                       (list(ids),))
        return {row[0]: row[1:] for row in cursor}


def bad_days(world):
    """Each is done, and then everybody works on under it for a while."""
    redis = world.cluster.redis
    child = world.cluster.supervisor.child

    def killed():
        starts = child('redis').starts
        redis.kill()
        world.cluster.supervisor.wait(lambda: child('redis').starts > starts, WAIT_S, 'Redis to be started again')
        redis.wait_ready()

    yield 'as it should be', lambda: None
    yield 'emptied', lambda: redis_says(world, b'FLUSHALL')
    yield 'stopped', redis.sigstop
    yield 'going on where it stood', redis.sigcont
    yield 'killed, and back with nothing', killed
    yield 'stopped again', redis.sigstop
    yield 'killed while it stood still', killed
    yield 'emptied again', lambda: redis_says(world, b'FLUSHALL')


def test_redis_changes_nothing_but_time(world, whole_redis):
    breakers_closed(world)
    overseer = Overseer(world)
    hits = [figure(world, 'complaints', reads(kind, 'hit')) for kind in ('row', 'page')]
    overseen = figure(world, 'supervision', reads('page', 'hit'))
    opened = figure(world, 'complaints', 'lujian_cache_breaker_opened_total')
    stop = threading.Event()
    writers = [Writer(world, stop) for _ in range(WRITERS)]
    for writer in writers:
        writer.start()
    try:
        for what, done in bad_days(world):
            done()
            rounds = [writer.rounds for writer in writers]
            overseer.acts()
            overseer.looks()
            wait_for(lambda: any(w.failure for w in writers)
                     or all(w.rounds > before for w, before in zip(writers, rounds)), f'Redis {what}: rounds')
    finally:
        world.cluster.redis.sigcont()
        stop.set()
        for writer in writers:
            writer.join()
    for writer in writers:
        if writer.failure:
            raise writer.failure

    known = {key: complaint for writer in writers for key, complaint in writer.known.items()}
    rows = rows_of(world, known)
    assert {key: (c.version, c.state, c.reply.text) for key, c in known.items()} == rows
    breakers_closed(world)
    for door in world.doors('hotline_3701', 'complaints') * 2:
        for key, complaint in known.items():
            got = door.call('complaints.get', complaint_pb2.GetRequest(id=key), complaint_pb2.Complaint)
            assert got == complaint
    # All this was about the cache at all:
    assert [figure(world, 'complaints', reads(kind, 'hit')) > before for kind, before in zip(('row', 'page'), hits)] \
        == [True, True]
    assert figure(world, 'supervision', reads('page', 'hit')) > overseen
    assert figure(world, 'complaints', 'lujian_cache_breaker_opened_total') > opened
    assert figure(world, 'complaints', reads('row', 'unavailable')) > 0


def test_what_lies_in_redis(world, whole_redis):
    """Rows as PostgreSQL holds them: one kept row serves every role, each masked as he must be; no caller in the clear."""
    breakers_closed(world)
    phone, name = '19955512345', '单独测试者'
    filed = world.filed(caller={'name': name, 'phone': phone, 'confidential': False, 'wants_reply': True})
    request = complaint_pb2.GetRequest(id=filed['id'])
    before = figure(world, 'complaints', reads('row', 'hit'))
    seen = {}
    for who in ('hotline_3701', 'unit_370102', 'supervisor_3701'):
        for door in world.doors(who, 'complaints'):
            seen[who] = door.call('complaints.get', request, complaint_pb2.Complaint).caller
            door.close()
    assert figure(world, 'complaints', reads('row', 'hit')) > before
    assert seen['hotline_3701'].phone == seen['unit_370102'].phone == phone
    assert seen['supervisor_3701'].phone == '199****2345' and seen['supervisor_3701'].name == '单*'

    keys = [line for line in redis_says(world, b'KEYS', b'*').split(b'\r\n') if line[:1] not in (b'*', b'$', b'+', b'')]
    assert any(b':complaint_see:' in key for key in keys) and all(key.startswith(b'lj1:') for key in keys)
    kept = b''.join(redis_says(world, b'HGET', key, b'd') for key in keys)
    assert filed['id'].encode() in kept
    for secret in (phone, name):
        assert secret.encode() not in kept and secret.encode().hex().encode() not in kept


def test_cards_and_orders(world, whole_redis):
    breakers_closed(world)
    overseer = Overseer(world)
    for kind in overseer.LISTS:
        before = figure(world, 'supervision', reads('page', 'hit'))
        overseer.looks(kind)
        assert figure(world, 'supervision', reads('page', 'hit')) > before, kind
    while overseer.left:
        overseer.acts()
        overseer.looks()


def test_time_goes_on_in_what_is_kept(world, whole_redis):
    """A clock's state is made when it is read, also where nothing was written since."""
    breakers_closed(world)
    filed = world.filed()
    replicas = world.doors('hotline_3701', 'complaints')
    request = complaint_pb2.GetRequest(id=filed['id'])
    for door in replicas:
        door.call('complaints.get', request, complaint_pb2.Complaint)
    world.advance(days=10)
    for door in replicas:
        got = door.call('complaints.get', request, complaint_pb2.Complaint)
        names = {complaint_pb2.Complaint.DESCRIPTOR.fields_by_name['clocks'].message_type.fields_by_name['state']
                 .enum_type.values_by_number[clock.state].name for clock in got.clocks}
        assert 'CLOCK_STATE_RUNNING' not in names and 'CLOCK_STATE_LATE' in names


def test_the_http_door_too(world, whole_redis):
    breakers_closed(world)
    filed = world.filed()
    world.cluster.redis.sigstop()
    signed = world.unit_370102.act(filed, 'sign').expect(200)
    listed = world.unit_370102.get('/v1/complaints', division='370102', page_size=5).expect(200)['complaints']
    assert json.dumps(signed) in [json.dumps(c) for c in listed]
    world.cluster.redis.sigcont()
    listed = world.unit_370102.get('/v1/complaints', division='370102', page_size=5).expect(200)['complaints']
    assert json.dumps(signed) in [json.dumps(c) for c in listed]
