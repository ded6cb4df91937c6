"""Events: who sees whose, by pull, feed and server-sent events, with and without a filter; and what ends a feed."""
import re
import selectors
import socket
import time
import urllib.parse
import uuid
from dataclasses import replace

import pytest
from cast import rows
from doors import SILENCE, Wire
from test_walk import METHODS, TABLE, ask, leaked

from cluster import keys

WAIT_S = 60
SECTIONS = [(name, variant) for name in METHODS if name.split('.')[1] in ('pull', 'follow') for variant in TABLE.variants(name)
            if TABLE.of(name, variant)]
STREAMED = [(METHODS[name].service, variant) for name, variant in SECTIONS if name.endswith('.follow')]
PROBLEM = re.compile(rb'"code":"(\w+)"')


def test_the_gateway_shows_what_the_services_show():
    """The two operations of expectations.txt stand for all streams and variants: they are the pull's own."""
    for path in ('GET /v1/events', 'GET /v1/events:stream'):
        assert TABLE.sections[path] == TABLE.of('complaints.pull')
    assert all(TABLE.of(name, variant) == TABLE.of(f'{name.split(".")[0]}.pull', variant) for name, variant in SECTIONS)


def needle(stage, service, variant):
    """The subject of the event that is looked for."""
    if service == 'registry':
        return f'principal:{stage.callers["unit.own"].id}/k1' if variant == 'principal' else 'unit:370102-probe'
    kind = 'complaint' if service == 'complaints' else 'card'
    return stage.subjects[(kind, 'about' if variant == 'about' else '')][0].id


def query(stage, service, variant):
    """From before it happened."""
    return {'after': stage.after[service]} | ({'division': '370102'} if variant == 'division' else {})


def position(cursor):
    return int(cursor.split(':')[2])


@pytest.fixture(scope='module')
def heads(stage):
    """How far a reader has to look: the events that are looked for lie before."""
    return {service: position(cursor) for service, cursor in stage.furnished.items()}


class Streams:
    """Many server-sent event streams at a time, read until each has told what it tells."""

    def __init__(self, host):
        self._address = host.rsplit(':', 1)
        self._selector = selectors.DefaultSelector()
        self.found = {}

    def open(self, who, token, told, wanted, head):
        """Ask for one; `who` is its name in `found`."""
        connection = socket.create_connection((self._address[0], int(self._address[1])), timeout=WAIT_S)
        bearer = f'Authorization: Bearer {token}\r\n' if token else ''
        path = f'/v1/events:stream?{urllib.parse.urlencode(told)}'
        connection.sendall(f'GET {path} HTTP/1.1\r\nHost: probe\r\n{bearer}\r\n'.encode())
        self._selector.register(connection, selectors.EVENT_READ, (who, wanted.encode(), head, bytearray()))

    @staticmethod
    def _told(data, wanted, head):
        status = int(data[9:12] or 0)
        if status >= 400:
            return (status, PROBLEM.search(data)[1].decode()) if PROBLEM.search(data) else None
        if wanted in data:
            return 200, 'seen'
        if any(int(at) >= head for at in re.findall(rb': through \w+:\d+:(\d+)\n', data)):
            return 200, 'unseen'
        return None

    def read(self):
        """Until all have told."""
        until = time.monotonic() + WAIT_S
        while self._selector.get_map() and time.monotonic() < until:
            for key, _ in self._selector.select(1):
                who, wanted, head, data = key.data
                more = key.fileobj.recv(1 << 16)
                data += more
                told = self._told(bytes(data), wanted, head)
                if told or not more:
                    self.found[who] = told
                    self._selector.unregister(key.fileobj)
                    key.fileobj.close()
        assert not self._selector.get_map(), 'some streams told nothing'
        return self.found


@pytest.fixture(scope='module')
def streams(stage, heads):
    """All that are asked for, open. What a stream does not show is known when its heartbeat comes, 10 s later: meanwhile the
    other tests run."""
    opened = Streams(stage.http.host)
    for service, variant in STREAMED:
        for name, caller in stage.callers.items():
            opened.open((service, variant, name), caller.owned['token'], {'stream': service, **query(stage, service, variant)},
                        needle(stage, service, variant), heads[service])
    return opened


def judged(found, answers):
    return [f'{who} {caller}: {seen}, not {answers[caller]}' for (who, caller), seen in found.items() if seen != answers[caller]]


def pulled(stage, method, fields, wanted, head, caller, ask_one):
    """(status, seen or unseen or the code), page after page."""
    while True:
        answer = ask_one(stage.callers[caller], method, fields)
        if answer.status >= 400:
            assert not leaked(answer, stage.subjects[('complaint', '')][0])
            return answer.status, answer.code
        if wanted in f'{answer.said}{answer.body}':
            return 200, 'seen'
        through = answer.body['through'] if isinstance(answer.body, dict) else answer.body.through
        if position(through) >= head:
            return 200, 'unseen'
        fields = fields | {'after': through}


def over_http(stage, service):
    """Pulls by GET /v1/events."""
    def one(caller, _method, fields):
        told = urllib.parse.urlencode({'stream': service, **fields})
        return stage.http.request(caller.owned['token'], 'GET', f'/v1/events?{told}')
    return one


@pytest.mark.parametrize('name, variant', [each for each in SECTIONS if each[0].endswith('.pull')], ids=lambda value: value)
def test_who_pulls(stage, heads, streams, name, variant):
    assert streams  # are open meanwhile
    method, answers = METHODS[name], TABLE.of(name, variant)
    fields, wanted = query(stage, method.service, variant) | {'limit': 100}, needle(stage, method.service, variant)
    told = (stage, method, fields, wanted, heads[method.service])
    found = {('wire', caller): pulled(*told, caller, lambda who, m, f: stage.wires[who.name].call(m, f)) for caller in answers}
    futures = {('http', caller): stage.pool.submit(pulled, *told, caller, over_http(stage, method.service)) for caller in answers}
    found |= {who: future.result() for who, future in futures.items()}
    assert judged(found, answers) == []


def followed(stage, method, number, wanted, head, caller):
    """(status, seen or unseen or the code) of an open feed, which is ended then."""
    for answer in stage.wires[caller].answers(method, number):
        if answer.status >= 400:
            return answer.status, answer.code
        if any(wanted == event.subject for event in answer.body.events):
            return 200, 'seen'
        if position(answer.body.through) >= head:
            return 200, 'unseen'
    return SILENCE.status, SILENCE.code


@pytest.mark.parametrize('name, variant', [each for each in SECTIONS if each[0].endswith('.follow')], ids=lambda value: value)
def test_who_follows(stage, heads, name, variant):
    method, answers = METHODS[name], TABLE.of(name, variant)
    fields, wanted = query(stage, method.service, variant) | {'credit': 10000}, needle(stage, method.service, variant)
    open_feeds = {caller: stage.wires[caller].send(method, fields) for caller in answers}
    found = {('feed', caller): followed(stage, method, number, wanted, heads[method.service], caller)
             for caller, number in open_feeds.items()}
    assert judged(found, answers) == []
    # Nobody speaks into another's feed: there is none of that id on his own connection.
    for verb in ('credit', 'unfollow'):
        foreign = METHODS[f'{method.service}.{verb}']
        whose = open_feeds['operator.own'] + 1_000_000
        told = ask(stage, foreign, [('wire', caller, {'feed': str(whose)}) for caller in answers])
        assert {caller: (answer.status, answer.code) for (_, caller), answer in told.items()} == TABLE.of(foreign.name)
    ended = METHODS[f'{method.service}.unfollow']
    for caller, number in open_feeds.items():
        if number is not None and answers[caller][0] == 200:
            assert stage.wires[caller].call(ended, {'feed': str(number)}).status == 200


class Stream:
    """One, read line by line."""

    def __init__(self, stage, token, service):
        self._socket = socket.create_connection(stage.http.host.rsplit(':', 1), timeout=WAIT_S)
        self._socket.sendall(f'GET /v1/events:stream?stream={service}&after={stage.head(service)} HTTP/1.1\r\nHost: probe\r\n'
                             f'Authorization: Bearer {token}\r\nConnection: close\r\n\r\n'.encode())
        self._file = self._socket.makefile('rb')

    def until(self, wanted):
        """All up to the line that holds it, or to the end."""
        read = b''
        for line in self._file:
            read += line
            if wanted in line:
                break
        return read

    def close(self):
        self._file.close()
        self._socket.close()


def test_who_streams(stage, streams):
    found = streams.read()
    for service, variant in STREAMED:
        of_this = {('stream', name): found[(service, variant, name)] for name in stage.callers}
        assert judged(of_this, TABLE.of(f'{service}.follow', variant)) == []


def test_a_key_that_is_revoked_ends_what_it_opened_though_another_is_in_force(stage):
    """A token that was stolen is replaced by the principal's second one: what the thief has open ends all the same."""
    first = replace(stage.callers['supervisor.own'], name=f'rotated.{uuid.uuid4().hex[:6]}', owned=keys.new_credentials('rotated'))
    second = replace(first, owned=keys.new_credentials('rotated', 'k2'))
    old, new = (list(rows([one]).replace(',k1,', f',{key},').splitlines()) for one, key in ((first, 'k1'), (second, 'k2')))
    stage.load(principals='\n'.join([*old, new[1]]) + '\n')
    until = time.monotonic() + WAIT_S
    while {stage.http.request(one.owned['token'], 'GET', '/v1/me').status for one in (first, second)} != {200}:
        assert time.monotonic() < until
    stolen, kept = (Stream(stage, one.owned['token'], 'complaints') for one in (first, second))
    wire = Wire(first, stage.services)
    follow = METHODS['complaints.follow']
    feed = wire.send(follow, {'after': stage.head('complaints'), 'credit': 100}, wait_ms=WAIT_S * 1000)
    assert next(wire.answers(follow, feed)).status == 200
    seen = stage.matters.filed()
    assert all(seen.id.encode() in stream.until(seen.id.encode()) for stream in (stolen, kept))

    stage.load(principals=rows([first], revoked=True))
    while stage.http.request(first.owned['token'], 'GET', '/v1/me').status != 401:
        assert time.monotonic() < until
    hidden = stage.matters.filed()
    assert hidden.id.encode() in kept.until(hidden.id.encode())
    left = stolen.until(hidden.id.encode())
    assert hidden.id.encode() not in left and b'"code":"unauthenticated"' in left
    ended = [answer for answer in wire.answers(follow, feed) if answer.status >= 400 or hidden.id in str(answer.body)]
    assert [(answer.status, answer.code) for answer in ended] == [(401, 'unauthenticated')]
    for one in (stolen, kept, wire):
        one.close()
