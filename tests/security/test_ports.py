"""What listens, to whom, and what it says; what strangers may throw at it; what the house leaves lying about."""
import contextlib
import json
import os
import re
import socket
import stat
import subprocess
import urllib.parse
import uuid
from pathlib import Path

import pytest
import zmq
from doors import Http
from lujian.bus.v1 import envelope_pb2
from matters import SECRETS

from cluster import ini, principals

PAGES = {'/healthz': 200, '/readyz': 200, '/metrics': 200, '/status': 200}
TRAVERSALS = ['/../../etc/passwd', '/..%2f..%2fetc%2fpasswd', '/%2e%2e/%2e%2e/etc/passwd', '//etc/passwd', '/metrics/../../conf',
              '/metrics%00', '/healthz/', '/METRICS', '/.', '/', '/conf', '/status?x=/etc/passwd%00', '/keys/page.key']
MARK = '探针<"\\\n\r\x1b[31m'


def replicas(stage):
    """(name, what cluster.json says) of every replica."""
    return [(f'{name}-{index}', one) for name, ones in stage.world.cluster.endpoints['services'].items()
            for index, one in enumerate(ones, 1)]


def raw(address, text, wait_s=10):
    """What a TCP port answers to these bytes."""
    with socket.create_connection(address, timeout=wait_s) as connection:
        connection.sendall(text)
        connection.shutdown(socket.SHUT_WR)
        answer = b''
        while more := connection.recv(1 << 16):
            answer += more
        return answer


def address_of(url):
    parts = urllib.parse.urlsplit(url)
    return parts.hostname, parts.port


def test_everything_listens_on_loopback_alone(stage):
    """Each replica's own sockets, as the kernel has them."""
    mine = {str(one['pid']) for _, one in replicas(stage)}
    inodes = set()
    for pid in mine:
        for entry in Path(f'/proc/{pid}/fd').iterdir():
            target = os.readlink(entry)
            if target.startswith('socket:['):
                inodes.add(target[8:-1])
    listening = [line.split() for family in ('tcp', 'tcp6') for line in Path(f'/proc/net/{family}').read_text().splitlines()[1:]]
    found = [words[1] for words in listening if words[3] == '0A' and words[9] in inodes]
    assert len(found) >= 3 * len(mine) - 2 and {words.split(':')[0] for words in found} == {'0100007F'}


def test_admin_pages_are_those_and_no_others(stage):
    """Read-only, and no path leads to a file."""
    for name, one in replicas(stage):
        admin = Http(one['admin'])
        for path, status in PAGES.items():
            for verb, expected in (('GET', status), ('POST', 405), ('DELETE', 405)):
                head = raw(address_of(one['admin']), f'{verb} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'.encode())
                assert int(head[9:12]) == expected, (name, verb, path)
        for path in TRAVERSALS:
            answer = raw(address_of(one['admin']), f'GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'.encode())
            assert b'root:' not in answer and (int(answer[9:12]) in (400, 404) or path.startswith('/status?')), (name, path, answer[:200])
        assert admin.host.startswith('127.0.0.1:')


def test_what_admin_pages_tell_is_nobodys(stage):
    """Figures alone: no matter, no principal, no caller's name, whatever was asked before."""
    ids = [subject.id for kind in ('complaint', 'order', 'card') for subject in stage.subjects[(kind, '')]]
    named = [caller.id for caller in stage.callers.values()]
    for name, one in replicas(stage):
        for path in PAGES:
            said = raw(address_of(one['admin']), f'GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'.encode()).decode(errors='replace')
            assert [what for what in (*SECRETS, *ids, *named) if what in said] == [], (name, path)


def test_labels_of_metrics_are_the_houses(stage):
    """Nothing that a caller chose becomes a label: neither a method nor a stream nor a path that is not there."""
    mark = f'probe{uuid.uuid4().hex}'
    token = stage.callers['operator.own'].owned['token']
    for path in (f'/v1/{mark}', f'/v1/events?stream={mark}', f'/v1/registry/{mark}', f'/v1/complaints/{mark}', f'/v1/complaints?state={mark}'):
        assert stage.http.request(token, 'GET', path).status in (400, 404)
    strange = envelope_pb2.RequestHead(id=1, method=f'complaints.{mark}', key=mark, traceparent=mark)
    answer = dealer_answer(stage, 'complaints', [strange.SerializeToString(), b''])
    assert answer.problem.code == 'unknown_method'
    replay = stage.methods['supervision.replay']
    assert stage.wires['operator.own'].call(replay, {'stream': mark[:32], 'subject': mark}).status == 404
    for name, one in replicas(stage):
        said = raw(address_of(one['admin']), b'GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n').decode()
        assert mark[:32] not in said and 'lujian_' in said, name


def dealer(stage, service, caller='hotline.own', curve=True):
    """A socket of our own making, whose User-Id may be missing."""
    there, me = stage.services[service][0], stage.callers[caller].owned
    socket_ = zmq.Context.instance().socket(zmq.DEALER)
    if curve:
        socket_.curve_serverkey, socket_.curve_publickey = there['curve_server_key'].encode(), me['curve_public'].encode()
        socket_.curve_secretkey = me['curve_secret'].encode()
    socket_.linger = 0
    socket_.sndtimeo = 20_000
    socket_.connect(there['rpc'])
    return socket_


def dealer_answer(stage, service, frames, **how):
    """The head of the answer, None where none comes."""
    with dealer(stage, service, **how) as link:
        link.send_multipart(frames)
        if not link.poll(20_000):
            return None
        return envelope_pb2.ResponseHead.FromString(link.recv_multipart()[0])


FRAMES = [[b'x' * (2 << 20), b''], [b'', b'x' * (2 << 20)], [b'x'] * 64, [b''], [b'\xff' * 64, b'\xff' * 64],
          [envelope_pb2.RequestHead(id=1, method='complaints.get').SerializeToString(), b'\x0a\x24' + b'0' * 36]]


@pytest.mark.parametrize('service', ['registry', 'complaints', 'supervision'])
def test_who_has_no_user_id_throws_what_he_likes_into_nothing(stage, service):
    """No CURVE, a key that nobody knows: oversized, malformed and well-formed frames alike are never answered, and the door
    goes on serving the others."""
    links = [dealer(stage, service, caller, curve) for caller, curve in (('hotline.own', False), ('unknown', True))
             for _ in FRAMES]
    for link, frames in zip(links, FRAMES * 2):
        link.sndtimeo = 0  # whom the door has refused already has nowhere to send to
        with contextlib.suppress(zmq.Again):
            link.send_multipart(frames)
    ping = envelope_pb2.RequestHead(id=7, method=f'{service}.ping').SerializeToString()
    assert dealer_answer(stage, service, [ping, b'']).id == 7
    assert not any(link.poll(0) for link in links)
    stranger = socket.create_connection(address_of(stage.services[service][0]['rpc']), timeout=20)
    stranger.sendall(b'GET / HTTP/1.1\r\n\r\n' + b'\xff' * 4096)
    assert dealer_answer(stage, service, [ping, b'']).id == 7
    stranger.close()
    for link in links:
        assert not link.poll(0)
        link.close()


def test_nothing_is_injected_into_answers_or_logs(stage):
    """Line ends, quotes and escapes of a caller's making come back as data, if at all: a line of the log stays one line."""
    mark = f'inject{uuid.uuid4().hex[:8]}'
    evil = urllib.parse.quote(f'{mark}\r\nX-Evil: 1\r\n\r\n{{"msg":"{mark}"}}')
    token = stage.callers['hotline.own'].owned['token']
    gateway = address_of(stage.world.url)
    targets = [('GET', f'/v1/{evil}'), ('GET', f'/v1/complaints/{evil}'), ('GET', f'/v1/complaints?state={evil}'),
               ('GET', f'/v1/complaints?{evil}=1&{evil}=1'), ('GET', f'/v1/events?stream={evil}'),
               ('GET', f'/v1/complaints?page_token={evil}'), ('GET', f'/v1/registry/{evil}'), (f'{mark}"x', '/v1/me')]
    for verb, path in targets:
        for headers in ('', f'traceparent: {mark}"\\x\r\n', f'Idempotency-Key: {mark}\t"\r\n', f'If-Match: {mark}"\r\n',
                        f'Last-Event-ID: {mark}"\r\n'):
            answer = raw(gateway, f'{verb} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n{headers}'
                                  'Connection: close\r\n\r\n'.encode())
            head, _, body = answer.partition(b'\r\n\r\n')
            assert 400 <= int(head[9:12]) < 500 and b'X-Evil' not in head, answer
            if b'application/problem+json' in head:
                json.loads(body)
    for name in ('title', 'source', 'external_id', 'category', 'division'):
        filing = stage.matters.request() | {name: f'{mark}{MARK}'}
        assert stage.http.call(stage.callers['hotline.own'], stage.methods['complaints.file'], filing).status in (400, 403, 422)
    lines = [line for log in logs(stage) for line in log.read_text(encoding='utf-8').splitlines()]
    assert [line for line in lines if mark in json.loads(line)['msg'] or line.startswith('X-Evil')] == []


def logs(stage):
    """Of the services: JSON, a line a record."""
    return [stage.world.cluster.run_dir / 'log' / f'{name}.log' for name, _ in replicas(stage)]


def test_every_line_of_a_log_is_a_record(stage):
    for log in logs(stage):
        for line in log.read_text(encoding='utf-8').splitlines():
            record = json.loads(line)
            assert {'ts', 'level', 'service', 'instance', 'msg'} <= set(record), line


def test_problems_speak_of_the_request_and_not_of_the_house(stage):
    """No SQL, no path, no address, no address of memory in any text, of any failure that a caller can bring about."""
    inside = re.compile(r'SELECT|INSERT|SQLSTATE|relation |libpq|/tmp/|/services/|\.c:\d|0x[0-9a-f]{6}|127\.0\.0\.1|postgres', re.I)
    token = stage.callers['hotline.own'].owned['token']
    bad = ["'; DROP TABLE complaint; --", '%', '_', '\\', 'a' * 400, '370102\' OR 1=1']
    for text in bad:
        told = urllib.parse.quote(text)
        for path in (f'/v1/complaints/{told}', f'/v1/complaints?division={told}', f'/v1/complaints?source={told}',
                     f'/v1/complaints?external_id={told}', f'/v1/complaints?page_token={told}', f'/v1/events?stream=complaints&after={told}',
                     f'/v1/events?stream=complaints&type={told}', f'/v1/registry/{told}'):
            answer = stage.http.request(token, 'GET', path)
            assert answer.status < 500 and (answer.status < 400 or not inside.search(answer.said.split('\n\n', 1)[-1])), (path, answer.said)


def test_secrets_lie_in_files_that_are_their_owners(stage):
    """Keys, tokens, passwords: mode 0600, and nowhere on a command line or in an environment."""
    run_dir = stage.world.cluster.run_dir
    secret_files = [run_dir / 'cluster.json', run_dir / 'bootstrap.ini', *run_dir.glob('credentials/*'), *run_dir.glob('conf/*'),
                    *(path for path in run_dir.glob('keys/**/*') if path.is_file()), *run_dir.glob('secrets/*')]
    loose = [str(path) for path in secret_files if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077]
    assert len(secret_files) > 20 and loose == []
    texts = set()
    for path in run_dir.glob('credentials/*'):
        owned = ini.parse_flat(path.read_text())
        texts |= {owned['token'], owned['curve_secret']}
    texts |= {path.read_text().strip() for path in (*run_dir.glob('keys/**/*.key'), *run_dir.glob('secrets/*'))}
    pids = subprocess.run(['pgrep', '-f', str(run_dir)], capture_output=True, text=True, check=False).stdout.split()
    mine = {str(one['pid']) for _, one in replicas(stage)}
    assert mine <= set(pids)
    for pid in pids:
        for what in ('cmdline', 'environ'):
            try:
                said = Path(f'/proc/{pid}/{what}').read_text(errors='replace')
            except (FileNotFoundError, ProcessLookupError):
                continue
            assert [pid for text in texts if text in said] == [], (pid, what)
    assert principals.credentials_path(run_dir, 'operator').exists()


def test_no_log_holds_what_is_a_citizens_or_a_key(stage):
    """After all that was done and refused before."""
    secrets = [*SECRETS, *(caller.owned[what] for caller in stage.callers.values() for what in ('token', 'curve_secret') if caller.owned[what])]
    for log in (stage.world.cluster.run_dir / 'log').glob('*.log'):
        text = log.read_text(encoding='utf-8', errors='replace')
        assert [secret for secret in secrets if secret in text] == [], log.name
