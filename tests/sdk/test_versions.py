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
}
TO_COME = ('lujian.bus.v1.RequestHead', 'lujian.complaints.v1.FileRequest', 'lujian.complaints.v1.Caller',
           'lujian.complaints.v1.GetRequest', 'lujian.bus.v1.PullRequest')


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
    """peer(version, number, key): what a peer of that version was told."""
    me, there = world.credentials['hotline_3701'], world.cluster.endpoints['services']['complaints'][0]
    door = (there['rpc'], there['curve_server_key'], me['curve_public'], me['curve_secret'])

    def ask(version, number, key):
        _, after = world.hotline_3701.events('complaints')
        path = f'{code[version]}:{ROOT / "services/sdk/python"}'
        done = subprocess.run([sys.executable, '-B', Path(__file__).with_name('old_peer.py')], text=True, timeout=120,
                              input=json.dumps({'door': door, 'number': number, 'key': key, 'after': after}),
                              capture_output=True, env=os.environ | {'PYTHONPATH': path}, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)
    return ask


@pytest.mark.parametrize('version', CHANGES)
def test_a_peer_of_another_version_is_served(peer, version):
    number = fresh()
    told = peer(version, number, number)
    assert (told['problem'], told['replayed'], told['number']) == ('', False, number)
    assert told['events'] == ['complaint.filed.v1', 'complaint.dispatched.v1']
    assert {'id', 'division', 'unit', 'state'} <= set(told['known'])
    if version == 'older':  # it was told more than it knows, and read the rest
        assert told['unknown'] > 0 and told['events_unknown'] > 0 and 'clocks' not in told['known']
    else:
        assert 'clocks' in told['known']
    assert told['filled'] == (6 if version == 'newer' else 0)


def test_what_is_not_known_does_not_count_when_requests_are_compared(peer):
    """A rollout in the middle of a retry: the same request by the next version, and by the last again."""
    number = fresh()
    first = peer('newer', number, number)
    again = [peer(version, number, key) for version, key in (('baseline', number), ('older', number), ('newer', fresh()))]
    assert first['problem'] == '' and not first['replayed']
    assert [(one['problem'], one['replayed'], one['id']) for one in again] == [('', True, first['id'])] * 3
