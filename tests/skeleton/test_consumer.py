"""A service that follows another's stream: each event takes effect once, whoever dies; what fails is parked."""
import os
import signal

import pytest
from conftest import Sql, complaint_pb2, node_pb2, wait_for

BOTH = pytest.mark.parametrize('cluster', [{'complaints': 1, 'supervision': 2}], indirect=True)


def sign(cluster, count, prefix='e'):
    """Files and signs so many notes; their ids."""
    one = cluster.of('complaints')[0]
    centre, unit = cluster.client(one), cluster.client(one, 'unit')
    ids = [centre.file(f'{prefix}{index}').complaint().id for index in range(count)]
    for made in ids:
        unit.call('complaints.sign', complaint_pb2.SignRequest(id=made), f's-{made}').complaint()
    return ids


def echoes(cluster):
    """(subject, count) of every effect."""
    with cluster.sql('supervision') as cursor:
        cursor.execute('SELECT subject, count(*) FROM echo GROUP BY subject')
        return dict(cursor.fetchall())


def ask(client, method, request, response):
    """The answer of a method; fails where there is a problem."""
    answer = client.call(method, request)
    assert answer.error == "OK", (answer.error, answer.code, answer.head.problem.detail_en)
    return response.FromString(answer.body)


def reached(cluster, ids):
    return wait_for(lambda: set(ids) <= set(echoes(cluster)), 40, 'the effects')


@BOTH
def test_each_event_has_its_effect_once(cluster):
    ids = sign(cluster, 20)
    reached(cluster, ids)
    # Whoever leads dies; the other takes over and goes on.
    more = []
    for round_ in range(2):
        for one in cluster.of('supervision'):
            cluster.supervisor.wait(lambda one=one, starts=round_ + 1: one.child.starts == starts, 40, 'its next life')
            os.kill(one.child.pid, signal.SIGKILL)
            more += sign(cluster, 5, f'r{round_}-{one.index}-')
    reached(cluster, more)
    # Its source restarts too.
    source = cluster.of('complaints')[0]
    assert source.stop() == 0
    source.start()
    more += sign(cluster, 5, 'last')
    reached(cluster, more)
    assert set(echoes(cluster).values()) == {1} and set(echoes(cluster)) == set(ids + more)


@BOTH
def test_what_fails_is_parked_and_the_stream_goes_on(cluster):
    one = cluster.of('supervision')[0]
    operator = cluster.client(one, 'operator')
    source = cluster.of('complaints')[0]
    bad = cluster.client(source).file('bad').complaint().id
    with cluster.sql('supervision') as cursor:
        cursor.execute('INSERT INTO poison VALUES (%s)', (bad,))
    cluster.client(source, 'unit').call('complaints.sign', complaint_pb2.SignRequest(id=bad), 's-bad').complaint()
    good = sign(cluster, 3)
    reached(cluster, good)
    listed = wait_for(lambda: node_pb2.ListDeadLettersResponse.FromString(
        operator.call('supervision.list_dead_letters', node_pb2.ListDeadLettersRequest()).body).dead_letters)
    assert [(letter.stream, letter.subject, letter.type) for letter in listed] == [
        ('complaints', bad, 'complaint.signed.v1')]
    status = lambda: node_pb2.StatusResponse.FromString(operator.call('supervision.status').body)
    followed = {consumer.stream: consumer for consumer in status().consumers}
    assert followed['complaints'].dead_letters == 1 and not followed['complaints'].stopped
    # On every replica, whichever parked it; and gone with the last of them, whichever is asked to replay.
    alarms = lambda: [[a.subject for a in node_pb2.StatusResponse.FromString(
        cluster.client(each, 'operator').call('supervision.status').body).alarms if a.code == 'consumer_parked']
        for each in cluster.of('supervision')]
    assert all(told == ['complaints'] for told in alarms())
    replay = node_pb2.ReplayRequest(stream='complaints', subject=bad)
    told = node_pb2.ReplayResponse.FromString(operator.call('supervision.replay', replay).body)
    assert (told.replayed, told.parked) == (0, 1)
    with cluster.sql('supervision') as cursor:
        cursor.execute('DELETE FROM poison')
    told = node_pb2.ReplayResponse.FromString(operator.call('supervision.replay', replay).body)
    assert (told.replayed, told.parked) == (1, 0)
    assert not any(alarms())
    assert echoes(cluster)[bad] == 1
    assert not node_pb2.ListDeadLettersResponse.FromString(
        operator.call('supervision.list_dead_letters', node_pb2.ListDeadLettersRequest()).body).dead_letters


@BOTH
def test_a_cursor_that_does_not_match_stops_until_it_is_rebased(cluster):
    ids = sign(cluster, 2)
    reached(cluster, ids)
    operators = [cluster.client(one, 'operator') for one in cluster.of('supervision')]
    status = lambda: [{c.stream: c for c in node_pb2.StatusResponse.FromString(
        operator.call('supervision.status').body).consumers}['complaints'] for operator in operators]
    with cluster.sql('complaints') as cursor:  # as after a restore
        cursor.execute('UPDATE log_stream SET epoch = epoch + 1')
    for one in cluster.of('complaints'):
        one.stop()
        one.start()
    wait_for(lambda: all(consumer.stopped for consumer in status()), 40, 'the stop')
    wait_for(lambda: any(alarm.code == 'consumer_stopped' for operator in operators
                         for alarm in node_pb2.StatusResponse.FromString(
                             operator.call('supervision.status').body).alarms), 20, 'the alarm')
    late = sign(cluster, 2, 'late')
    cursor_text = f'complaints:2:{status()[0].position}'
    told = operators[0].call('supervision.rebase', node_pb2.RebaseRequest(stream='complaints', cursor=cursor_text))
    assert node_pb2.RebaseResponse.FromString(told.body).previous.startswith('complaints:1:')
    reached(cluster, late)
    assert set(echoes(cluster).values()) == {1}
    nobody = operators[0].call('supervision.rebase', node_pb2.RebaseRequest(stream='weather', cursor='weather:1:1'))
    assert nobody.error == 'NOT_FOUND'
    with cluster.sql('supervision') as cursor:
        assert Sql.one(cursor, 'SELECT count(*) FROM echo') == 4
