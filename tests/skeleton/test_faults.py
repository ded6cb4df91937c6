"""What dies takes nothing acknowledged with it, and nothing happens twice."""
import os
import random
import signal
import threading
import time

import pytest
from conftest import Client, Notes, Sql, complaint_pb2, log_pb2, note, wait_for

RESENDABLE = ('NOT_EXECUTED', 'OUTCOME_UNKNOWN', 'IN_PROGRESS', 'INTERNAL', None)
TWO = pytest.mark.parametrize('cluster', [{'complaints': 2}], indirect=True)


class Storm(threading.Thread):
    """A client of its own that files notes one after another, and sends each again with its key, at any replica, until
    it is acknowledged."""

    def __init__(self, cluster, number, patience_s=1.0):
        super().__init__(daemon=True)
        self.cluster, self.number, self.patience_s = cluster, number, patience_s
        self.random = random.Random(number)
        self.done, self.outcomes, self.stopping = {}, {}, threading.Event()
        self.failed = None

    def run(self):
        try:
            clients = [self.cluster.client(one) for one in self.cluster.of('complaints')]
            count = 0
            while not self.stopping.is_set():
                self.file(clients, f's{self.number}-{count}')
                count += 1
            for one in clients:
                one.close()
        except BaseException as error:  # pylint: disable=broad-except
            self.failed = error

    def file(self, clients, name):
        for _ in range(200):
            client = self.random.choice(clients)
            answer = client.receive(client.send('complaints.file', note(name), f'k-{name}'), self.patience_s)
            error = answer.error if answer else None
            self.outcomes[error] = self.outcomes.get(error, 0) + 1
            if error == 'OK':
                self.done[name] = answer.complaint().id
                return
            assert error in RESENDABLE, (error, answer.code)
            if error == 'NOT_EXECUTED' and answer.code != 'draining':
                self.stopping.wait(0.02)
        raise AssertionError(f'{name} was never acknowledged')

    def stop(self):
        self.stopping.set()
        self.join(60)
        assert not self.is_alive()
        if self.failed:
            raise self.failed


def storm(cluster, count=6, **more):
    made = [Storm(cluster, number, **more) for number in range(count)]
    for one in made:
        one.start()
    return made


def stop(storms):
    """All that was acknowledged: {name: id}, and what was answered."""
    done, outcomes = {}, {}
    for one in storms:
        one.stop()
        done |= one.done
        for error, count in one.outcomes.items():
            outcomes[error] = outcomes.get(error, 0) + count
    return done, outcomes


def check(cluster, done):
    """Every acknowledged note is there once, under the id that was told, with one event; positions are contiguous."""
    with cluster.sql() as cursor:
        cursor.execute('SELECT external_id, id FROM note')
        stored = cursor.fetchall()
        assert len(dict(stored)) == len(stored)
        assert {name: dict(stored)[name] for name in done} == done
        cursor.execute('SELECT position, subject FROM event ORDER BY position')
        events = cursor.fetchall()
        assert [position for position, _ in events] == list(range(1, len(events) + 1))
        assert sorted(subject for _, subject in events) == sorted(dict(stored).values())
        assert Sql.one(cursor, 'SELECT count(*) FROM idempotency') >= len(done)


def progress(storms, more):
    """Until so many more were acknowledged."""
    target = sum(len(one.done) for one in storms) + more
    wait_for(lambda: any(one.failed for one in storms) or sum(len(one.done) for one in storms) >= target, 60, 'progress')


@TWO
def test_a_rolling_restart_shows_nobody_an_error(cluster):
    storms = storm(cluster)
    progress(storms, 30)
    for one in cluster.replicas:
        assert one.stop() == 0
        progress(storms, 30)
        one.start()
        progress(storms, 30)
    done, outcomes = stop(storms)
    check(cluster, done)
    # Time-outs are of connections to the replica that is away: nothing was sent over them. No outcome is unknown.
    assert set(outcomes) <= {'OK', 'NOT_EXECUTED', None}, outcomes


@TWO
def test_kill_each_replica_in_a_storm(cluster):
    storms = storm(cluster)
    for _ in range(2):
        for one in cluster.replicas:
            progress(storms, 30)
            starts = one.child.starts
            os.kill(one.child.pid, signal.SIGKILL)
            cluster.supervisor.wait(lambda: one.child.starts > starts, 30, 'the next life')  # pylint: disable=cell-var-from-loop
    progress(storms, 30)
    done, _ = stop(storms)
    check(cluster, done)


@TWO
def test_a_stopped_replica_holds_nobody_up(cluster):
    """SIGSTOP while commands are in its hands: its transactions are ended by the server, others go on."""
    storms = storm(cluster, patience_s=0.5)
    progress(storms, 30)
    one = cluster.replicas[0]
    os.kill(one.child.pid, signal.SIGSTOP)
    progress(storms, 100)
    time.sleep(1)  # how long a thing is stopped is the one thing that only time can tell
    os.kill(one.child.pid, signal.SIGCONT)
    progress(storms, 50)
    done, _ = stop(storms)
    check(cluster, done)


STEPS = ('commit.claimed', 'commit.locked', 'commit.applied_one', 'commit.before_commit', 'tx.before_commit',
         'tx.committed', 'commit.after_commit', 'commit.before_pulse', 'commit.before_reply', 'call.after_reply')


@pytest.mark.parametrize('step', STEPS)
def test_a_crash_at_each_step(cluster, step):
    """The process ends at the step; the same key, sent to its next life, has one effect."""
    one = cluster.replicas[0]
    one.stop()
    one.start(env={'LUJIAN_FAULT': f'{step}:crash'})
    # The supervisor gives each life the same environment: each answers, or dies, once. So a second sending at the last.
    client = Client(one, cluster.pairs['hotline'])
    client.send('complaints.file', note('e1'), 'k1')
    cluster.supervisor.wait(lambda: one.child.deaths > 0, 30, 'the crash')
    cluster.supervisor.stop(one.name)
    one.start()
    client.close()
    client = Client(one, cluster.pairs['hotline'])
    made = client.file('e1', key='k1').complaint()
    check(cluster, {'e1': made.id})
    with cluster.sql() as cursor:
        assert Sql.one(cursor, 'SELECT count(*) FROM note') == 1
    # What was committed before the crash is told to whoever follows, though no pulse said so.
    pulled = log_pb2.PullResponse.FromString(client.call('complaints.pull', log_pb2.PullRequest()).body)
    assert [event.subject for event in pulled.events] == [made.id]


def test_the_database_crashes_and_stops_in_a_storm(home):
    notes = Notes(home, complaints=2)
    try:
        notes.start()
        storms = storm(notes, patience_s=3.0)
        progress(storms, 50)
        notes.postgres.crash()
        progress(storms, 50)
        notes.postgres.sigstop()
        time.sleep(2)  # stopped for so long
        notes.postgres.sigcont()
        progress(storms, 50)
        notes.postgres.restart()
        progress(storms, 50)
        done, outcomes = stop(storms)
        check(notes, done)
        assert outcomes['OK'] == len(done)
        for one in notes.replicas:
            assert one.child.deaths == 0
    finally:
        notes.close()


def test_one_key_at_two_replicas_at_once(home, server):
    notes = Notes(home, complaints=2, postgres=server)
    try:
        notes.start()
        clients = [notes.client(one) for one in notes.replicas]
        for index in range(60):
            for client in clients:
                client.send('complaints.file', note(f'e{index}'), f'k{index}')
        answers = [[client.receive() for _ in range(60)] for client in clients]
        ids = {}
        for column in answers:
            for answer in column:
                made = answer.complaint()
                assert ids.setdefault(made.external_id, made.id) == made.id
        created = sum(answer.head.created for column in answers for answer in column)
        replayed = sum(answer.head.replayed for column in answers for answer in column)
        assert (created, replayed) == (60, 60)
        check(notes, ids)
    finally:
        notes.close()


def test_signing_twice_is_refused_and_told_why(cluster):
    centre, unit = cluster.client(cluster.replicas[0]), cluster.client(cluster.replicas[0], 'unit')
    made = centre.file('e1').complaint()
    sign = complaint_pb2.SignRequest(id=made.id)
    assert unit.call('complaints.sign', sign, 's1').complaint().version == 2
    refused = unit.call('complaints.sign', sign, 's2')
    problem = refused.head.problem
    assert (refused.error, refused.code, problem.state) == ('REFUSED', 'already_signed', 'signed')
    assert list(problem.allowed) == ['contact', 'reply'] and problem.basis_zh and problem.detail_zh
    stale = unit.call('complaints.sign', sign, 's3', if_version=1)
    assert (stale.error, stale.head.version) == ('VERSION_MISMATCH', 2)
    assert centre.call('complaints.sign', sign, 's4').error == 'PERMISSION_DENIED'
