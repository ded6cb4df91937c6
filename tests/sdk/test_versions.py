"""The wire's rule of one version apart (WIRE.md, "Versions"), with code generated from proto/baseline.binpb, the contract
of the last release: as it is, with fields less and with fields more."""
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2

from conftest import ROOT, fresh, run

FORGOTTEN = {  # what the version before did not have
    'lujian.complaints.v1.Complaint': {'clocks', 'order_no', 'return_limit'},
    'lujian.bus.v1.Event': {'correlation', 'time'},
    'lujian.bus.v1.ResponseHead': {'created', 'version'},
    'lujian.supervision.v1.OrderIssued': {'body', 'due_at'},
}
TO_COME = ('lujian.bus.v1.RequestHead', 'lujian.complaints.v1.FileRequest', 'lujian.complaints.v1.Caller',
           'lujian.complaints.v1.GetRequest', 'lujian.bus.v1.PullRequest', 'lujian.bus.v1.FollowRequest',
           'lujian.bus.v1.CreditRequest', 'lujian.bus.v1.UnfollowRequest')


def older(name, message):
    """Takes fields away."""
    kept = [field for field in message.field if field.name not in FORGOTTEN.get(name, ())]
    del message.field[:]
    message.field.extend(kept)


def newer(name, message):
    """Adds a text and a number."""
    if name in TO_COME:
        for number, kind in ((900, 'TYPE_STRING'), (901, 'TYPE_INT64')):
            message.field.add(name=f'more_{number}', number=number, label='LABEL_OPTIONAL', type=kind,
                              json_name=f'more{number}')


CHANGES = {'baseline': lambda name, message: None, 'older': older, 'newer': newer}


@pytest.fixture(scope='session', name='code')
def _code(tmp_path_factory):
    """{version: the folder of its generated code}."""
    made = {}
    for version, change in CHANGES.items():
        out = made[version] = tmp_path_factory.mktemp(version)
        files = descriptor_pb2.FileDescriptorSet.FromString((ROOT / 'proto/baseline.binpb').read_bytes())
        for file in files.file:
            for message in file.message_type:
                change(f'{file.package}.{message.name}', message)
        (out / 'contract.binpb').write_bytes(files.SerializeToString())
        run('protoc', f'--descriptor_set_in={out}/contract.binpb', f'--python_out={out}',
            *(file.name for file in files.file if file.name.startswith('lujian/')))
    return made


@pytest.fixture(scope='session', name='peer')
def _peer(world, code):
    """peer(version, play, ...): what a peer of that version was told when it played that part at the door of a service."""
    me = world.credentials['hotline_3701']

    def ask(version, play, service='complaints', after=None, **more):
        there = world.cluster.endpoints['services'][service][0]
        told = {'play': play, 'door': (there['rpc'], there['curve_server_key'], me['curve_public'], me['curve_secret']),
                'after': after or world.hotline_3701.events(service)[1]} | more
        path = f'{code[version]}:{ROOT / "services/sdk/python"}'
        done = subprocess.run([sys.executable, '-B', Path(__file__).with_name('old_peer.py')], text=True, timeout=120,
                              input=json.dumps(told), capture_output=True, env=os.environ | {'PYTHONPATH': path}, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)
    return ask


def filled(version, told):
    """What a peer has filled in; of the next version, something in every request."""
    assert all(bool(count) == (version == 'newer') for count in told['filled'].values()), told['filled']
    return told['filled']


@pytest.mark.parametrize('version', CHANGES)
def test_a_peer_of_another_version_is_served(peer, version):
    number = fresh()
    told = peer(version, 'file', number=number, key=number)
    assert (told['problem'], told['replayed'], told['number']) == ('', False, number)
    assert told['events'] == ['complaint.filed.v1', 'complaint.dispatched.v1']
    assert {'id', 'division', 'unit', 'state'} <= set(told['known'])
    if version == 'older':  # it was told more than it knows, and read the rest
        assert told['unknown'] > 0 and told['events_unknown'] > 0 and 'clocks' not in told['known']
    else:
        assert 'clocks' in told['known']
    assert filled(version, told)['complaints.file'] == (6 if version == 'newer' else 0)


@pytest.mark.parametrize('version', CHANGES)
def test_a_peer_of_another_version_follows(peer, version):
    """Its feed brings as many events as it gave credit for, then the rest."""
    number = fresh()
    told = peer(version, 'follow', number=number, key=number)
    assert told['first'] == [['complaint.filed.v1', told['id']]] and told['rest'] == [['complaint.dispatched.v1', told['id']]]
    assert told['problems'] == ['', ''] and told['places'][1] == told['places'][0] + 1
    assert (told['unknown'] > 0) == (version == 'older')
    assert filled(version, told)['complaints.follow'] == (4 if version == 'newer' else 0)


@pytest.fixture(scope='module', name='ordered')
def _ordered(world):
    """(complaint, cursor of supervision before): twice its caller was not satisfied, which is an order."""
    _, before = world.hotline_3701.events('supervision')
    made = world.filed()
    world.unit_370102.act(made, 'sign').expect(200)
    for _ in range(2):
        world.unit_370102.act(made, 'reply', {'text': '已处理'}).expect(200)
        world.hotline_3701.act(made, 'visit', {'reached': True, 'solved': False, 'satisfied': False}).expect(200)
        world.hotline_3701.act(made, 'redo', {'reason': '未解决'}).expect(200)
    world.now()
    return made, before


@pytest.mark.parametrize('version', CHANGES)
def test_a_peer_of_another_version_pulls_from_supervision(peer, ordered, version):
    made, before = ordered
    told = peer(version, 'orders', service='supervision', after=before)
    assert told['issued'] == [[made['id'], made['division'], made['unit']]]
    assert (told['unknown'] > 0) == (told['events_unknown'] > 0) == (version == 'older')
    assert filled(version, told)['supervision.pull'] == (4 if version == 'newer' else 0)


def test_what_is_not_known_does_not_count_when_requests_are_compared(peer):
    """A rollout in the middle of a retry: the same request by the next version, and by the last again."""
    number = fresh()
    first = peer('newer', 'file', number=number, key=number)
    again = [peer(version, 'file', number=number, key=key)
             for version, key in (('baseline', number), ('older', number), ('newer', fresh()))]
    assert first['problem'] == '' and not first['replayed']
    assert [(one['problem'], one['replayed'], one['id']) for one in again] == [('', True, first['id'])] * 3
