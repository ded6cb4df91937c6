"""The cluster as tests hold it, with fakes for the services' binaries."""
import json
import os
import re
import signal
import subprocess
import threading
import time

import psycopg2
import pytest

from cluster import Cluster, ClusterError, Placement, ini
from cluster.cluster import replica_counts
from cluster.processes import Backoff

Z85 = re.compile(r'\S{40}')
QUICK = Backoff(first_s=0.05, most_s=0.4)


def told(cluster):
    """cluster.json as an outsider reads it."""
    return json.loads((cluster.run_dir / 'cluster.json').read_text())


def test_cluster_json_says_what_it_must_and_nothing_else(cluster):
    path = cluster.run_dir / 'cluster.json'
    assert path.stat().st_mode & 0o777 == 0o600
    said = told(cluster)
    assert set(said) == {'gateway', 'services', 'postgres', 'redis', 'credentials'}
    assert {name: len(replicas) for name, replicas in said['services'].items()} == {
        'registry': 1, 'complaints': 2, 'supervision': 1, 'gateway': 1}
    for name, replicas in said['services'].items():
        for index, replica in enumerate(replicas, 1):
            assert replica['pid'] == cluster.replica(name, index).pid
            assert re.fullmatch(r'http://127\.0\.0\.1:\d+', replica['admin'])
            if name == 'gateway':
                assert set(replica) == {'admin', 'pid'}
                continue
            assert set(replica) == {'rpc', 'pulse', 'admin', 'pid', 'curve_server_key'}
            assert Z85.fullmatch(replica['curve_server_key'])
            assert re.fullmatch(r'tcp://127\.0\.0\.1:\d+', replica['rpc'])
            assert re.fullmatch(r'tcp://127\.0\.0\.1:\d+', replica['pulse'])
    assert re.fullmatch(r'http://127\.0\.0\.1:\d+', said['gateway'])
    assert re.fullmatch(r'redis://127\.0\.0\.1:\d+', said['redis'])
    assert set(said['credentials']) == {'hotline_3701', 'hotline_3702', 'unit_370102', 'supervisor_370102',
                                        'supervisor_3701', 'supervisor_37', 'operator'}
    for owned in said['credentials'].values():
        assert set(owned) == {'token', 'curve_public', 'curve_secret'}
    connection = psycopg2.connect(said['postgres'])
    with connection.cursor() as cursor:
        cursor.execute('SELECT rolsuper FROM pg_roles WHERE rolname = current_user')
        assert cursor.fetchone() == (True,)
    connection.close()


def test_the_peers_file_lists_every_instance(cluster):
    text = cluster.peers.read_text()
    assert set(re.findall(r'^\[(.+)\]$', text, re.M)) == {
        'registry-1', 'complaints-1', 'complaints-2', 'supervision-1', 'gateway-1'}
    gateway = ini.parse_flat(text.partition('[gateway-1]')[2])
    assert set(gateway) == {'service', 'admin', 'public_key'}


def test_replicas_share_keys_and_nothing_is_readable_by_others(cluster):
    configs = [ini.parse_flat(cluster.replica('complaints', index).config().read_text()) for index in (1, 2)]
    for shared in ('keys-dir', 'clock-offset-file', 'database', 'peers', 'redis'):
        assert configs[0][shared] == configs[1][shared]
    for own in ('instance', 'door', 'pulse', 'admin', 'curve-key-file'):
        assert configs[0][own] != configs[1][own]
    for folder in ('conf', 'keys', 'credentials', 'secrets', 'seed'):
        for path in (cluster.run_dir / folder).rglob('*'):
            assert path.is_dir() or path.stat().st_mode & 0o777 == 0o600, path


def test_it_migrated_once_for_each_service_and_loaded_seed_and_principals(cluster):
    for service in ('registry', 'complaints', 'supervision', 'gateway'):
        connection = psycopg2.connect(cluster.database(service))
        with connection.cursor() as cursor:
            cursor.execute('SELECT count(*) FROM migrated')
            assert cursor.fetchone() == (1,)
        connection.close()
    asked = (cluster.run_dir / 'asked').read_text().splitlines()
    assert [line.split()[0] for line in asked] == ['load', 'load']
    assert asked[0].endswith('deploy/seed') and asked[1].endswith('run/seed')


def test_a_killed_replica_comes_back_where_it_was_and_cluster_json_never_shows_a_part(cluster):
    replica = cluster.replica('complaints', 2)
    before, seen, stop = told(cluster), [], threading.Event()

    def watch():
        while not stop.is_set():
            seen.append(told(cluster)['services']['complaints'][1]['pid'])
    watcher = threading.Thread(target=watch)
    watcher.start()
    for _ in range(3):
        starts = replica.child.starts
        assert replica.kill()
        replica.wait_restarted(starts)
    stop.set()
    watcher.join()
    after = told(cluster)
    assert after['services']['complaints'][1]['pid'] == replica.pid != before['services']['complaints'][1]['pid']
    before['services']['complaints'][1]['pid'] = after['services']['complaints'][1]['pid'] = 0
    assert after == before
    assert len(set(seen)) >= 2 and None not in seen


def test_freeze_stop_and_start_with_other_settings(cluster):
    replica = cluster.replica('supervision')
    replica.sigstop()
    assert not replica.readiness()[0]
    replica.sigcont()
    replica.wait_ready()
    replica.stop()
    assert 'drained' in replica.log_tail()
    assert replica.child.state == 'stopped'
    replica.start(env={'FAKE_PROBE': 'point-7'})
    replica.wait_ready()
    assert 'probe=point-7' in replica.log_tail()
    replica.restart(env={})
    assert replica.log_tail().splitlines()[-1].endswith('probe=')


def test_sigterm_drains_and_restarts(cluster):
    replica = cluster.replica('registry')
    starts = replica.child.starts
    replica.terminate()
    assert replica.wait_ended(starts).code == 0
    replica.wait_restarted(starts)


def test_a_second_cluster_in_the_same_directory_is_refused(cluster, fake_build):
    with pytest.raises(ClusterError, match='running in .* already'):
        Cluster(cluster.run_dir, build=fake_build).start()
    assert told(cluster)


def test_a_start_again_keeps_keys_and_data_and_loads_nothing_twice(fresh_dir, fake_build):
    advanced = (9 * 86_400_000).to_bytes(8, 'little')
    with Cluster(fresh_dir, build=fake_build) as first:
        said, offset = told(first), fresh_dir / 'clock-offset'
        offset.write_bytes(advanced)
    assert not (fresh_dir / 'cluster.json').exists()
    with Cluster(fresh_dir, 2, build=fake_build) as second:
        again = told(second)
        assert again['credentials'] == said['credentials']
        assert (again['services']['complaints'][0]['curve_server_key']
                == said['services']['complaints'][0]['curve_server_key'])
        assert len(again['services']['registry']) == 2 and len(again['services']['gateway']) == 1
        assert offset.read_bytes() == advanced
        assert len((fresh_dir / 'asked').read_text().splitlines()) == 2


@pytest.mark.parametrize('mode, expected', [
    ('crash', r'(?s)supervision-1 ended 3 times before it was ready.*cannot go on: the fake was told to crash'),
    ('migrate-fails', r'(?s)the migration of supervision ended with 1.*migration 2 does not apply')])
def test_a_replica_that_cannot_start_is_shown_with_its_last_words(fresh_dir, fake_build, alive, mode, expected):
    made = Cluster(fresh_dir, build=fake_build, extra={'supervision': {'fake-mode': mode}}, backoff=QUICK)
    pids = []
    start = made.launch
    made.launch = lambda instance: (start(instance), pids.append(made.supervisor.child(instance.name).pid))
    with pytest.raises(ClusterError, match=expected):
        made.start()
    assert not any(alive(pid) for pid in pids)
    assert not (fresh_dir / 'cluster.json').exists()


def test_a_replica_that_never_gets_ready_is_named_with_its_reason(fresh_dir, fake_build, monkeypatch):
    monkeypatch.setattr('cluster.cluster.READY_S', 2.0)
    with pytest.raises(ClusterError, match='(?s)complaints-2 is not ready: 503 the mirror is empty'):
        Cluster(fresh_dir, 2, build=fake_build, extra={'complaints-2': {'fake-mode': 'unready'}}).start()


def test_a_missing_binary_is_said_before_anything_starts(fresh_dir, tmp_path):
    with pytest.raises(ClusterError, match='lujian-registry.*run scripts/build'):
        Cluster(fresh_dir, build=tmp_path).start()
    assert not fresh_dir.exists()


def test_a_stubborn_replica_does_not_keep_the_others_from_their_stop(fresh_dir, fake_build):
    made = Cluster(fresh_dir, build=fake_build, extra={'gateway': {'fake-mode': 'stubborn'}})
    made.start()
    gateway = made.replica('gateway')
    child = gateway.child
    begun = time.monotonic()
    child.spec = type(child.spec)(**{**vars(child.spec), 'grace_s': 0.5})
    made.stop()
    assert time.monotonic() - begun < 15
    assert child.exits[-1].code == -signal.SIGKILL


def test_replica_counts():
    assert replica_counts(2) == {'registry': 2, 'complaints': 2, 'supervision': 2, 'gateway': 1}
    assert replica_counts({'complaints': 3}) == {'registry': 1, 'complaints': 3, 'supervision': 1, 'gateway': 1}
    for wrong in ({'cases': 1}, {'gateway': 0}, 0):
        with pytest.raises(ClusterError):
            replica_counts(wrong)


@pytest.fixture
def link():
    """A network namespace that a pair of interfaces joins to this one: its name, our interface and both addresses."""
    name, near, far = (f'lj{os.getpid()}{end}' for end in ('ns', 'a', 'b'))
    ours, theirs = (f'10.213.{os.getpid() % 250}.{host}' for host in (1, 2))
    if os.geteuid() != 0 or subprocess.run(['ip', 'netns', 'add', name], check=False).returncode:
        pytest.skip('network namespaces want root')
    try:
        for line in (f'link add {near} type veth peer name {far}', f'link set {far} netns {name}',
                     f'addr add {ours}/30 dev {near}', f'link set {near} up',
                     f'-n {name} addr add {theirs}/30 dev {far}', f'-n {name} link set {far} up'):
            subprocess.run(['ip', *line.split()], check=True)
        yield name, near, ours, theirs
    finally:
        subprocess.run(['ip', 'netns', 'del', name], check=True)


def test_a_replica_can_live_behind_a_link_that_is_cut(fresh_dir, fake_build, link):
    name, near, ours, theirs = link
    placed = {'complaints-2': Placement(theirs, ('ip', 'netns', 'exec', name))}
    with Cluster(fresh_dir, 2, build=fake_build, host=ours, placements=placed) as made:
        far = made.replica('complaints', 2)
        assert far.rpc.startswith(f'tcp://{theirs}:') and made.replica('complaints', 1).rpc.startswith(f'tcp://{ours}:')
        assert os.readlink(f'/proc/{far.pid}/ns/net') != os.readlink('/proc/self/ns/net')
        subprocess.run(['ip', 'link', 'set', near, 'down'], check=True)
        assert not far.readiness()[0]
        subprocess.run(['ip', 'link', 'set', near, 'up'], check=True)
        far.wait_ready()
