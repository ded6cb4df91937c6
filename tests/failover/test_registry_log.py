"""The registry's log loses its end: whoever mirrors it stops and serves on with what he knows; each is set going by itself."""
import csv
import io
import subprocess

import pytest
from conftest import TOGETHER
from ends import PATIENCE_S, cut_off, epoch, head_of, wait_going, wait_stopped
from integration.conftest import Api, heard
from operator_view import alarms, lujian, metric

from cluster import keys, principals
from cluster.instances import binary

PAIRED = ('registry',)
WITH_A_DOOR = ('complaints', 'supervision')
MIRRORS = (*WITH_A_DOOR, 'gateway')


@pytest.fixture(name='load')
def _load(cluster, tmp_path):
    """load(name, revoked): the operator tells of a centre, by one event; its credentials, the same for the same name."""
    owned = {}

    def load(name, revoked=False):
        owned.setdefault(name, keys.new_credentials(name))
        one = principals.Principal(name, 'A centre of 3701', ('hotline',), '3701', ('test-*',))
        out = io.StringIO()
        table = csv.DictWriter(out, principals.COLUMNS, lineterminator='\n')
        table.writeheader()
        table.writerow(principals.row(one, owned[name]) | {'revoked': str(int(revoked))})
        (tmp_path / 'principals.csv').write_text(out.getvalue())
        lujian(cluster, 'load', str(tmp_path))
        return owned[name]
    return load


def is_known(world, owned):
    """Whether every door lets him in."""
    doors = [replica for service in WITH_A_DOOR for replica in world.cluster.of(service)]
    return Api(world.url, owned['token']).get('/v1/me').status == 200 and all(heard(one, owned) for one in doors)


def files(world, owned):
    """His complaint is taken."""
    Api(world.url, owned['token']).post('/v1/complaints', world.complaint()).expect(201)


def rebase(cluster, service, cursor):
    """The gateway has no door that an operator could ask: its binary does it."""
    if service != 'gateway':
        lujian(cluster, 'stream', 'rebase', service, 'registry', cursor)
        return
    config = cluster.replica('gateway').config()
    done = subprocess.run([str(binary(cluster.build, 'lujian-gateway')), f'--config={config}', f'--rebase={cursor}'], env={},
                          capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, done


@pytest.mark.skipif(TOGETHER, reason='on one pair with the registry a mirror loses what the registry loses')
def test_mirrors_stop_serve_on_and_are_rebased_one_by_one(cluster, account, load):
    world = account.world
    cluster.pair.set_synchronous(False)
    early = load('centre_early')
    account.wait_for(lambda: is_known(world, early), 'everybody to know of it')
    _, fork = cut_off(account, 'registry')
    lost = load('centre_lost')
    account.wait_for(lambda: is_known(world, lost), 'everybody to know of it')
    old, head = epoch(account, 'registry'), head_of(account, 'registry')
    assert head == fork + 1

    cluster.pair.fail_over()
    for service in MIRRORS:
        assert wait_stopped(account, service, 'registry', old) == head
    account.wait_for(lambda: {instance.rpartition('-')[0] for instance, *what in alarms(cluster)
                              if what == ['consumer_stopped', 'registry']} == set(MIRRORS), 'every alarm')
    assert all(metric(replica, 'lujian_consumer_stopped{stream="registry"}') == 1
               for service in WITH_A_DOOR for replica in cluster.of(service))
    files(world, lost)          # by what the mirrors know

    for service in WITH_A_DOOR:
        shown = lujian(cluster, 'stream', 'rebase', service, 'registry')
        assert f'rebase {service} registry registry:{old + 1}:{fork}\n' in shown and '; 1 positions' in shown
    for service in MIRRORS:
        rebase(cluster, service, f'registry:{old + 1}:{fork}')
        wait_going(account, service, 'registry')
    account.wait_for(lambda: not alarms(cluster), 'every alarm to clear', PATIENCE_S)

    # Another fact at the very position that was lost; then the lost one, told again.
    other = load('centre_other')
    assert head_of(account, 'registry') == head
    account.wait_for(lambda: is_known(world, other), 'the mirrors to have what is new')
    files(world, other)
    load('centre_lost')
    files(world, lost)
    load('centre_lost', revoked=True)
    account.wait_for(lambda: Api(world.url, lost['token']).get('/v1/me').status == 401, 'him to be known no more')
    assert all(is_known(world, one) for one in (early, other))
    cluster.pair.rejoin()
