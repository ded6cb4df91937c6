"""A replica crashes, or stands still, at each named step in turn (services/lib/base/fault.h), under a small load.

Its next life is without the fault. Where any replica of the service may be the one that passes the point, all are told
to crash there: the consumer that holds the lease, the one that finds the clock due.
"""
import dataclasses
import itertools
import signal

import pytest

from cluster import identity

LIFE_S = 20.0
ACTS = ('commit.claimed', 'commit.locked', 'commit.applied_one', 'commit.before_commit', 'commit.after_commit',
        'commit.before_pulse', 'commit.before_reply', 'tx.before_commit', 'tx.committed', 'pg.statements_done',
        'pg.commit_sent', 'tail.batch_read', 'call.after_reply')
CONSUMED = ('consumer.lease_taken', 'consumer.batch_taken', 'consumer.effects_done', 'consumer.cursor_moved',
            'consumer.committed', 'consumer.trial_counted', 'tx.before_commit', 'tx.committed')
CLOCK = ('clock.locked', 'clock.written', 'clock.committed')


class Armed:
    """Replicas whose next life ends at a point, and the one after it does not. The life before is ended gently, so that
    it gives its lease back, or by SIGKILL. `faults`: {replica: LUJIAN_FAULT}."""

    def __init__(self, cluster, faults, gently=True):
        self.supervisor, self.faults, self.gently = cluster.supervisor, faults, gently
        self.lives = {}

    def __enter__(self):
        clean = {replica: replica.child.spec for replica in self.faults}
        for replica, spec in clean.items():
            self.lives[replica] = replica.child.starts + 1
            replica.child.spec = dataclasses.replace(spec, env=spec.env | {'LUJIAN_FAULT': self.faults[replica]})
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
        """Until one of each service has crashed."""
        for service, fault in {(replica.service, fault) for replica, fault in self.faults.items()}:
            self.supervisor.wait(lambda service=service: any(one.service == service for one in self.crashed()),
                                 LIFE_S, f'{service} to crash at {fault}')
        for replica in self.crashed():
            assert replica.child.exits[-1].code == -signal.SIGKILL

    def __exit__(self, *_):
        """Whoever is armed still is not for the next test."""
        for replica in self.faults:
            if replica not in self.crashed():
                replica.kill()
        for replica, life in self.lives.items():
            replica.wait_restarted(life)


@pytest.mark.parametrize('act,consumed', itertools.zip_longest(ACTS, CONSUMED))
def test_a_crash_at(act, consumed, cluster, account, storm):
    """A replica of complaints at a step of a command, and supervision at a step of what follows from it."""
    faults = {cluster.replica('complaints', 1): f'{act}:crash'}
    if consumed:
        faults |= {replica: f'{consumed}:crash' for replica in cluster.of('supervision')}
    # Events are counted before they are begun only when a holder of the lease has died.
    with Armed(cluster, faults, gently=consumed != 'consumer.trial_counted') as armed:
        clients = storm(count=36, web=2, bus=4)
        armed.wait_crash()
        clients.finish()
    account.check(days=0)


@pytest.mark.parametrize('complaints,supervision', [*zip(CLOCK, CLOCK), ('tail.batch_read', 'tail.batch_read')])
def test_a_crash_when_time_passes(complaints, supervision, cluster, account, storm):
    """The rungs of what lies unanswered, and of an order with a clock of its own."""
    storm(count=12, web=2, bus=0).finish()
    account.order_by_visits()
    account.settle()
    faults = {replica: f'{complaints}:crash' for replica in cluster.of('complaints')}
    faults |= {replica: f'{supervision}:crash' for replica in cluster.of('supervision')}
    with Armed(cluster, faults) as armed:
        cluster.wait_ready()
        account.check()
        armed.wait_crash()
    account.check(days=0)


def test_a_drain_crashes(cluster, account, storm):
    """It has said that it ends, and dies with work in its hands."""
    replica = cluster.replica('complaints', 1)
    clients = storm(web=4, bus=2)
    with Armed(cluster, {replica: 'drain.announced:crash'}) as armed:
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
    with Armed(cluster, {replica: f'{point}:stop'}):
        clients = storm(count=36, web=2, bus=4)
        account.wait_for(lambda: identity.state(replica.pid) == 'T', f'{replica.name} to stop at {point}')
        if service == 'supervision':
            cluster.replica(service, 2).start()
            cluster.replica(service, 2).wait_ready()
        clients.finish()
        account.wait_consumed()
        assert identity.state(replica.pid) == 'T'
    account.check(days=0)
