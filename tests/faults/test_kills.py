"""Processes die or stand still in a storm: nothing acknowledged is lost, nothing happens twice."""
import threading

import pytest


@pytest.mark.parametrize('service', ['registry', 'complaints', 'supervision', 'gateway'])
def test_kill_each_replica_of(service, cluster, account, storm):
    clients = storm(endless=True)
    for replica in cluster.of(service):
        clients.progress()
        starts = replica.child.starts
        assert replica.kill()
        clients.progress()
        replica.wait_restarted(starts)
    clients.progress()
    clients.finish()
    account.check()
