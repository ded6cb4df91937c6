"""liblujian as a vendor uses it: installed, compiled against, and complaints filed with it in a real cluster."""
import dataclasses
import re
import signal
import socket
import subprocess
import threading

import psycopg2
import pytest
import zmq
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from lujian.bus.v1 import envelope_pb2
from lujian.complaints.v1 import complaint_pb2

from conftest import SDK, doors, end_clean, fresh, result, run
from fake_door import FakeDoor

BUILDS = ('shared', 'static', 'asan')
EXPORTED = re.compile(r'^\s+(lujian_\w+);', re.M)
LIFE_S = 30.0


def filed(world, prefix):
    """{external_id: times} of what is there."""
    with psycopg2.connect(world.cluster.database('complaints')) as connection, connection.cursor() as cursor:
        cursor.execute('SELECT external_id, count(*) FROM complaint WHERE external_id LIKE %s GROUP BY 1', [prefix + '%'])
        return dict(cursor.fetchall())


# ---- what is installed

def test_only_the_sdk_is_installed(installed):
    assert [name for name in installed.files() if not name.startswith(('shared', 'static', 'asan', 'example', 'manners'))] == [
        'include/lujian/lujian.h', 'lib/liblujian.a', 'lib/liblujian.so', 'lib/liblujian.so.0', 'lib/liblujian.so.0.1.0',
        'lib/pkgconfig/lujian.pc', 'share/doc/lujian/README.md', 'share/doc/lujian/example.c']


def test_symbols(installed):
    shared, static = installed.prefix / 'lib/liblujian.so', installed.prefix / 'lib/liblujian.a'
    header = installed.prefix / 'include/lujian/lujian.h'
    declared = set(re.findall(r'\b(lujian_\w+)\(', re.sub(r'/\*.*?\*/', '', header.read_text(), flags=re.S)))
    mapped = set(EXPORTED.findall((SDK / 'lujian.map').read_text()))
    for listed in (run('nm', '-D', '--defined-only', shared), run('nm', '-g', '--defined-only', static)):
        found = set(re.findall(r' [A-Z] (\w+)', listed)) - {'LUJIAN_0'}
        assert found == declared == mapped
    dynamic = run('readelf', '-d', shared)
    assert re.findall(r'NEEDED.*\[(.*?)\.so', dynamic) == ['libzmq', 'libprotobuf-c', 'libc']
    assert 'SONAME' in dynamic and '[liblujian.so.0]' in dynamic and 'RUNPATH' not in dynamic


@pytest.mark.parametrize('compiler', [('cc', '-std=c99'), ('clang', '-xc++')])  # as C and as C++
def test_the_header_stands_alone(installed, tmp_path, compiler):
    source = tmp_path / 'alone.c'
    source.write_text('#include <lujian/lujian.h>\nint main(void) { return lujian_version()[0] == 0; }\n')
    run(*compiler, '-c', '-Wall', '-Wextra', '-Werror', '-pedantic', *installed.pkg_config('--cflags', 'lujian'), source, '-o',
        tmp_path / 'alone.o')


# ---- filing

@pytest.mark.parametrize('build', BUILDS)
def test_file_and_replay(vendor, world, build):
    number = fresh()
    first, _, second, _ = vendor.run(build, 'file', 30000, number, '占道', number)
    first, second = result(first), result(second)
    assert first['error'] == 'OK' and first['created'] == '1' and first['replayed'] == '0' and first['due'] == '1'
    assert first['order_no'].startswith('370102') and first['unit'] and first['key'] == number
    assert second['replayed'] == '1' and second['created'] == '0' and second['id'] == first['id']
    over_http = world.hotline_3701.get(f'/v1/complaints/{first["id"]}').expect(200)
    assert over_http['order_no'] == first['order_no'] and over_http['text'].endswith('第二行')


def test_refusals(vendor):
    number = fresh()
    assert result(vendor.run('asan', 'file', 30000, number, '占道', number)[0])['error'] == 'OK'
    other = result(vendor.run('asan', 'file', 30000, number, '别的', number)[0])
    assert (other['error'], other['code']) == ('UNPROCESSABLE', 'conflicting_payload') and other['why']
    empty = result(vendor.run('asan', 'file', 30000, fresh(), '')[0])
    assert (empty['error'], empty['field']) == ('INVALID_ARGUMENT', 'title')
    supervisor = vendor.world.credentials['supervisor_3701']
    denied = result(vendor.run('asan', 'file', 30000, fresh(), '占道', LUJIAN_PUBLIC_KEY=supervisor['curve_public'],
                               LUJIAN_SECRET_KEY=supervisor['curve_secret'])[0])
    assert denied['error'] == 'PERMISSION_DENIED'


def test_any_method(vendor):
    number = fresh()
    one = result(vendor.run('static', 'file', 30000, number, '占道')[0])
    asked = complaint_pb2.GetRequest(id=one['id']).SerializeToString().hex()
    error, _, body = vendor.run('asan', 'call', 30000, 'complaints.get', asked)[0].split()
    assert error == 'OK' and complaint_pb2.Complaint.FromString(bytes.fromhex(body)).external_id == number
    assert vendor.run('asan', 'call', 30000, 'complaints.dance', '')[0].split()[:2] == [
        'UNSUPPORTED', 'code=unknown_method']


@dataclasses.dataclass
class Armed:
    """A replica whose next life ends by SIGKILL at a fault point, and the one after it does not."""
    replica: object
    fault: str

    def __enter__(self):
        child, supervisor = self.replica.child, self.replica._supervisor
        self.life, clean = child.starts + 1, child.spec
        child.spec = dataclasses.replace(clean, env=clean.env | {'LUJIAN_FAULT': self.fault})
        assert self.replica.terminate()
        supervisor.wait(lambda: child.starts >= self.life, LIFE_S, 'the armed life')
        child.spec = clean
        self.replica.wait_ready()
        return self

    def __exit__(self, *_):
        if self.replica.child.starts == self.life:
            self.replica.kill()
        self.replica.wait_restarted(self.life)


def test_a_batch_and_a_replica_killed_in_its_middle(vendor, world):
    prefix, count = fresh(), 300
    replica = world.cluster.replica('complaints', 1)
    with Armed(replica, 'commit.before_reply:crash:3') as armed:  # committed, and nobody was told
        *members, last = vendor.run('asan', 'batch', 60000, prefix, count, 16)
        assert replica.wait_ended(armed.life).code == -signal.SIGKILL
    assert last.startswith('run OK')
    members = [result(line) for line in members]
    assert len(members) == count and {member['error'] for member in members} == {'OK'}
    assert len({member['id'] for member in members}) == count == len({member['key'] for member in members})
    assert any(member['replayed'] == '1' for member in members)
    assert filed(world, prefix) == {f'{prefix}-{i}': 1 for i in range(count)}


def test_a_replica_that_hangs_is_left(vendor, world):
    """Nobody answers for it but libzmq's threads, which stand still too; its requests go to the other one."""
    prefix, replica = fresh(), world.cluster.replica('complaints', 1)
    stopped = threading.Event()
    with vendor.start('static', 'batch', 60000, prefix, 400, 4) as process:
        while len(filed(world, prefix)) < 20:
            assert process.poll() is None
        try:
            stopped.set() if replica.sigstop() else None
            out, err = process.communicate(timeout=90)
        finally:
            replica.sigcont()
    assert stopped.is_set()
    end_clean(subprocess.CompletedProcess('batch', process.returncode, out, err))
    assert out.splitlines()[-1].startswith('run OK')
    there = filed(world, prefix)
    assert len(there) == 400 and set(there.values()) == {1}
    replica.wait_ready()


# ---- who is not let in, and who is not there

def free_door():
    """An address that nobody listens at."""
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return f'tcp://127.0.0.1:{s.getsockname()[1]}'


def test_wrong_options(vendor):
    assert vendor.run('asan', 'options') == ['good']


def test_a_key_that_nobody_knows_is_told_at_once(vendor):
    public, secret = (key.decode() for key in zmq.curve_keypair())
    keys = {'LUJIAN_PUBLIC_KEY': public, 'LUJIAN_SECRET_KEY': secret}
    told, took, *_ = vendor.run('asan', 'file', 600000, fresh(), '占道', **keys)
    assert (result(told)['error'], result(told)['code']) == ('UNAUTHENTICATED', 'key_refused')
    assert int(took.split()[1]) < 60000
    told = vendor.run('asan', 'follow', 600000, '/nowhere/cursor', 1, 'crash', service='supervision', **keys)
    assert told[0].startswith('UNAUTHENTICATED code=key_refused')


def test_a_server_key_that_is_another_s(vendor, world):
    stranger = zmq.curve_keypair()[0].decode()
    door = doors(world, 'complaints').split()[0]
    told = vendor.run('asan', 'file', 2000, fresh(), '占道', LUJIAN_DOORS=f'{door} {stranger}')[0]
    assert (result(told)['error'], result(told)['code']) == ('NOT_EXECUTED', 'handshake_failed')


def test_nobody_there_is_not_executed(vendor, world):
    key = doors(world, 'complaints').split()[1]
    told, took, *_ = vendor.run('asan', 'file', 300, fresh(), '占道', LUJIAN_DOORS=f'{free_door()} {key}')
    assert (result(told)['error'], result(told)['code']) == ('NOT_EXECUTED', 'unreachable')
    assert int(took.split()[1]) >= 300


def test_a_deadline_without_an_answer_is_an_unknown_outcome(vendor):
    with FakeDoor(lambda head, body: None) as fake:
        told, took, *_ = vendor.run('asan', 'file', 3000, fresh(), '占道', LUJIAN_DOORS=fake.doors)
    assert (result(told)['error'], result(told)['code']) == ('OUTCOME_UNKNOWN', 'outcome_unknown')
    assert int(took.split()[1]) >= 3000


def extended(message, **fields):
    """The message's bytes, followed by fields that its reader does not know."""
    file = descriptor_pb2.FileDescriptorProto(name=f'{fresh()}.proto', package='n', syntax='proto3')
    made = file.message_type.add(name='More')
    kinds = {str: 'TYPE_STRING', int: 'TYPE_INT64', bytes: 'TYPE_BYTES'}
    for number, (name, value) in enumerate(fields.items(), 900):
        made.field.add(name=name, number=number, label='LABEL_OPTIONAL', type=kinds[type(value)])
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    more = message_factory.MessageFactory(pool).GetPrototype(pool.FindMessageTypeByName('n.More'))
    return message.SerializeToString() + more(**fields).SerializeToString()


def test_a_later_version_answers(vendor):
    """Unknown fields, unknown numbers of enums and errors: read as WIRE.md says."""
    def answer(head, body):
        asked = complaint_pb2.FileRequest.FromString(body)
        if asked.title == 'error':
            problem = envelope_pb2.Problem(error=77, code='of_tomorrow', detail_en='new')
            return [extended(envelope_pb2.ResponseHead(id=head.id, problem=problem), more='x'), b'']
        done = complaint_pb2.Complaint(id='018f3a3e-7c2b-7def-8a11-0123456789ab', order_no='1', unit='u', state=99)
        return [extended(envelope_pb2.ResponseHead(id=head.id, created=True, version=5), more=1),
                extended(done, more='新', other=b'\x00\xff')]

    with FakeDoor(answer) as fake:
        good = result(vendor.run('asan', 'file', 30000, fresh(), '占道', LUJIAN_DOORS=fake.doors)[0])
        bad = result(vendor.run('asan', 'file', 30000, fresh(), 'error', LUJIAN_DOORS=fake.doors)[0])
    assert good['error'] == 'OK' and good['unit'] == 'u' and good['version'] == '5'
    assert (bad['error'], bad['code'], bad['why']) == ('INTERNAL', 'of_tomorrow', 'new')


# ---- what is printed

def test_the_readme_names_what_there_is(installed):
    readme, header = (SDK / 'README.md').read_text(), (installed.prefix / 'include/lujian/lujian.h').read_text()
    assert 'cc example.c $(pkg-config --cflags --libs lujian)' in readme
    for name in set(re.findall(r'\b(lujian_\w+|LUJIAN_[A-Z_]+)', readme)) - {'lujian_sdk'}:
        assert name in header or name in (SDK / 'example.c').read_text(), name
