"""Replicas die or stand still in a storm: nothing acknowledged is lost, nothing happens twice."""
import pytest

STANDS_S = 5.0


@pytest.mark.parametrize('service', ['registry', 'complaints', 'supervision', 'gateway'])
def test_kill_each_replica_of(service, cluster, account, storm):
    clients = storm()
    for replica in cluster.of(service):
        clients.progress()
        starts = replica.child.starts
        assert replica.kill()
        clients.progress()
        replica.wait_restarted(starts)
    clients.progress()
    clients.finish()
    account.check()


def test_a_replica_that_stands_still_holds_nobody_up(cluster, account, storm):
    """Its transactions are open and its connections too; the others go on, and it may do so later."""
    clients = storm()
    clients.progress()
    replica = cluster.replica('complaints', 1)
    deaths = replica.child.deaths
    assert replica.sigstop()
    try:
        clients.progress(60)
        clients.hold(STANDS_S)
    finally:
        replica.sigcont()
    replica.wait_ready()
    clients.progress()
    clients.finish()
    account.check()
    assert replica.child.deaths == deaths


def test_redis_is_killed(cluster, account, storm):
    """It holds nothing but caches."""
    clients = storm()
    clients.progress()
    child = cluster.supervisor.child('redis')
    starts = child.starts
    cluster.redis.kill()
    clients.progress(60)
    cluster.supervisor.wait(lambda: child.starts > starts, 20, 'the next life of Redis')
    cluster.redis.wait_ready()
    clients.finish()
    account.check(days=0)
