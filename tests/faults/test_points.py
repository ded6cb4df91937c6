"""A replica crashes, or stands still, at each named step in turn (services/lib/base/fault.h), under a small load.

Its next life is without the fault. Where any replica of the service may be the one that passes the point, all are told
to crash there: the consumer that holds the lease, the one that finds the clock due.
"""
import dataclasses
import signal

import pytest

from cluster import identity

LIFE_S = 20.0
ACTS = ('commit.claimed', 'commit.locked', 'commit.applied_one', 'commit.before_commit', 'commit.after_commit',
        'commit.before_pulse', 'commit.before_reply', 'call.after_reply', 'pg.statements_done', 'pg.commit_sent',
        'tx.before_commit', 'tx.committed', 'tail.batch_read')
CONSUMED = ('consumer.lease_taken', 'consumer.trial_counted', 'consumer.batch_taken', 'consumer.effects_done',
            'consumer.cursor_moved', 'consumer.committed', 'pg.commit_sent', 'tx.committed')
CLOCK = [(service, point) for service in ('complaints', 'supervision')
         for point in ('clock.locked', 'clock.written', 'clock.committed')] + [('supervision', 'tail.batch_read')]


class Armed:
    """Replicas whose next life ends at a point, and the one after it does not. The life before is ended by SIGKILL, or
    gently, so that it gives its lease back."""

    def __init__(self, cluster, replicas, fault, gently=False):
        self.supervisor, self.replicas, self.fault, self.gently = cluster.supervisor, replicas, fault, gently
        self.lives = {}

    def __enter__(self):
        clean = {replica: replica.child.spec for replica in self.replicas}
        for replica, spec in clean.items():
            self.lives[replica] = replica.child.starts + 1
            replica.child.spec = dataclasses.replace(spec, env=spec.env | {'LUJIAN_FAULT': self.fault})
            assert replica.terminate() if self.gently else replica.kill()
        for replica, spec in clean.items():
            self.supervisor.wait(lambda replica=replica: replica.child.starts >= self.lives[replica], LIFE_S,
                                 'the armed life')
            replica.child.spec = spec
        return self

    def crashed(self):
        """The replicas whose armed life has ended."""
        return [replica for replica, life in self.lives.items()
                if replica.child.starts > life or replica.child.state != 'running']

    def wait_crash(self):
        """Until one has crashed."""
        self.supervisor.wait(self.crashed, LIFE_S, f'a crash at {self.fault}')
        for replica in self.crashed():
            assert replica.child.exits[-1].code == -signal.SIGKILL

    def __exit__(self, *_):
        """Whoever is armed still is not for the next test."""
        for replica in self.replicas:
            if replica not in self.crashed():
                replica.kill()
        for replica, life in self.lives.items():
            replica.wait_restarted(life)


def crash(cluster, storm, point, replicas, gently=False):
    """The small load, and the crash in it."""
    with Armed(cluster, replicas, f'{point}:crash', gently) as armed:
        clients = storm(count=36, web=2, bus=4)
        armed.wait_crash()
        clients.finish()


@pytest.mark.parametrize('point', ACTS)
def test_complaints_crash_at(point, cluster, account, storm):
    crash(cluster, storm, point, cluster.of('complaints')[:1])
    account.check(days=0)


@pytest.mark.parametrize('point', CONSUMED)
def test_supervision_crashes_at(point, cluster, account, storm):
    # Events are counted before they are begun only after somebody died of one, it may be.
    crash(cluster, storm, point, cluster.of('supervision'), gently=point != 'consumer.trial_counted')
    account.check(days=0)


@pytest.mark.parametrize('service,point', CLOCK)
def test_a_clock_crashes_at(service, point, cluster, account, storm):
    """The rungs of what lies unanswered, and of an order with a clock of its own."""
    storm(count=12, web=2, bus=0).finish()
    account.order_by_visits()
    account.settle()
    with Armed(cluster, cluster.of(service), f'{point}:crash', gently=True) as armed:
        cluster.wait_ready()
        account.check()
        armed.wait_crash()
    account.check(days=0)


def test_a_drain_crashes(cluster, account, storm):
    """It has said that it ends, and dies with work in its hands."""
    replica = cluster.replica('complaints', 1)
    clients = storm(web=4, bus=2)
    with Armed(cluster, [replica], 'drain.announced:crash') as armed:
        replica.wait_ready()
        clients.progress()
        assert replica.terminate()
        armed.wait_crash()
        clients.progress()
    clients.finish()
    account.check(days=0)


@pytest.mark.parametrize('service,point', [('complaints', 'commit.before_commit'), ('supervision', 'consumer.effects_done')])
def test_a_replica_stands_still_at(service, point, cluster, account, storm):
    """With a transaction open, locks held, a lease: the server ends the transaction, another one goes on."""
    replica = cluster.replica(service, 1)
    if service == 'supervision':
        cluster.replica(service, 2).stop()      # so that the lease is the first one's
    with Armed(cluster, [replica], f'{point}:stop'):
        clients = storm(count=36, web=2, bus=4)
        account.wait_for(lambda: identity.state(replica.pid) == 'T', f'{replica.name} to stop at {point}')
        if service == 'supervision':
            cluster.replica(service, 2).start()
            cluster.replica(service, 2).wait_ready()
        clients.finish()
        account.wait_consumed()
        assert identity.state(replica.pid) == 'T'
    account.check(days=0)
