"""The primary dies and its standby is promoted: strictly synchronous, nothing is lost and nobody has to do anything;
asynchronous, what was lost is noticed, and goes on by an operator's decision."""
import contextlib

import pytest
from conftest import TOGETHER
from ends import PATIENCE_S, cut_off, epoch, head_of, place, wait_going, wait_stopped
from lujian.bus.v1 import envelope_pb2
from lujian_client import Door, Refused
from operator_view import alarms, lujian, metric
from storm import Task
from subscriber import Follower, Stream

PAIRED = ('complaints',)
WHO, WHERE = 'supervisor_370102', '370102'
TYPES = ('complaint.filed.v1', 'complaint.replied.v1')


def deaths(cluster):
    return {replica.name: replica.child.deaths for replica in cluster.replicas}


def test_a_strictly_synchronous_standby_takes_over(cluster, account, storm, tmp_path):
    """It acknowledges nothing while it has no standby of its own; from then on all is as before, cursors too."""
    _, head = account.world.supervisor_370102.events('complaints')
    cursor_file = tmp_path / 'cursor'
    cursor_file.write_text(head)
    subscribers = [Stream(cluster, WHO, TYPES, head).come(),
                   Follower(cluster, WHO, TYPES, cursor_file, cluster.replica('complaints', 1)).come()]
    before, lives = epoch(account), deaths(cluster)
    clients = storm(web=8, bus=2)
    clients.progress()
    cluster.pair.fail_over()
    cluster.pair.rejoin()
    clients.progress(timeout_s=PATIENCE_S)
    clients.finish()
    account.check(days=0)
    assert epoch(account) == before and deaths(cluster) == lives
    begun = int(head.rpartition(':')[2])
    expected = [(event.position, event.id) for event in account.received_by(WHERE)
                if event.position > begun and event.type in TYPES]
    assert len(expected) > 40
    for one in subscribers:
        one.wait(len(expected))
        assert one.events == expected
        one.away.set()
    account.wait_for(lambda: not alarms(cluster), 'every alarm to clear', PATIENCE_S)


def cards(account):
    return [one for one, in account.sql('supervision', 'SELECT id::text FROM card ORDER BY id')]


def refile(world, body):
    """A centre that was acknowledged sends the same again."""
    return world.hotline_3701.post('/v1/complaints', body, Idempotency_Key=f'key-{body["external_id"]}')


class Filing(Task):
    """A complaint that is filed, and no more: whoever acts on one that is lost is told that it is not there."""

    def __init__(self, run, number):
        super().__init__(run, number)
        self.steps = ['file']


def stored(account, uri):
    """(ids of complaints, of those that were replied to) in a database."""
    return ({one for one, in account.ask(uri, 'SELECT id::text FROM complaint')},
            {one for one, in account.ask(uri, "SELECT complaint_id::text FROM complaint_act WHERE action = 'reply'")})


def no_reader_goes_on(cluster, world, cursors, cursor_file):
    """By himself, whether his cursor is beyond the head or before it."""
    for cursor in cursors:
        world.supervisor_370102.get('/v1/events', stream='complaints', after=cursor).expect(409, 'cursor_mismatch')
        world.supervisor_370102.request('GET', '/v1/events:stream?stream=complaints', headers={
            'Last-Event-ID': cursor}).expect(409, 'cursor_mismatch')
    near, own = cluster.replica('complaints'), cluster.credentials[WHO]
    with contextlib.closing(Door(near.rpc, near.public_key, own['curve_public'], own['curve_secret'])) as door:
        with pytest.raises(Refused) as refused:
            next(door.follow('complaints', str(cursor_file), TYPES))
    assert refused.value.problem.error == envelope_pb2.ERROR_CODE_CURSOR_MISMATCH


def promote_under_load(cluster, account, storm, kept):
    """The primary dies while others file; they go on at the one that was promoted. The external ids that are gone."""
    clients = storm(web=4, bus=2, make=Filing)
    clients.progress()
    cluster.pair.fail_over()
    acknowledged = dict(account.acknowledged)
    there, _ = stored(account, cluster.database('complaints'))
    assert kept <= there, 'what the standby had is not there'
    clients.progress(timeout_s=PATIENCE_S)
    clients.finish()
    return {number for number, one in acknowledged.items() if one not in there}


@pytest.mark.skipif(TOGETHER, reason='on one pair with the complaints a consumer loses what they lose, and has seen nothing else')
def test_what_an_asynchronous_standby_had_not_is_noticed_and_an_operator_decides(cluster, account, storm, tmp_path):
    world = account.world
    early = [world.filed(source='test-it') for _ in range(3)]
    account.settle()
    clients = storm(web=3, bus=1, each_s=0.0)           # without a pause, so that the cut finds them in the middle of things
    clients.progress()
    standby, fork = cut_off(account, 'complaints')      # of what goes on it hears nothing
    kept, replied = stored(account, standby)

    # Acknowledged, told to everybody, and never to be heard of again: what the storm did since, rungs with their cards, an
    # act, filings.
    clients.progress()
    clients.finish()
    account.settle()
    world.advance(days=9)
    raised = cards(account)
    assert raised, 'no rung is among what will be lost'
    world.unit_370102.act(early[0], 'sign', Idempotency_Key='sign-early').expect(200)
    bodies = [world.complaint() for _ in range(5)]
    for body in bodies:
        refile(world, body).expect(201)
    account.settle()
    undone = account.replied - replied
    told, seen = world.supervisor_370102.events('complaints', f'complaints:{epoch(account)}:{fork}')
    _, old, consumed = place(account)
    assert told and consumed == head_of(account) > fork
    cursor_file = tmp_path / 'cursor'
    cursor_file.write_text(seen)
    live = Stream(cluster, WHO, TYPES, seen).come()

    gone = promote_under_load(cluster, account, storm, kept)
    before, consumed = consumed, wait_stopped(account, 'supervision', 'complaints', old)
    assert consumed >= before
    stale = head_of(account, 'supervision')
    account.wait_for(lambda: ('consumer_stopped', 'complaints') in {one[1:] for one in alarms(cluster)}, 'the alarm')
    for replica in cluster.of('supervision'):
        assert metric(replica, 'lujian_consumer_stopped{stream="complaints"}') == 1
    assert metric(cluster.replica('complaints'), 'lujian_log_epoch') == old + 1

    no_reader_goes_on(cluster, world, (seen, f'complaints:{old}:1'), cursor_file)
    with pytest.raises(AssertionError, match='409'):
        live.thread.join(PATIENCE_S)
        live.go()

    # The dry run says where the two logs part, and changes nothing; the decision is the operator's.
    shown = lujian(cluster, 'stream', 'rebase', 'supervision', 'complaints')
    decision = f'lujian stream rebase supervision complaints complaints:{old + 1}:{fork}'
    assert decision in shown and f'{consumed - fork} positions' in shown
    assert place(account) == (True, old, consumed)
    lujian(cluster, *decision.split()[1:])
    wait_going(account, 'supervision', 'complaints')

    # The lost rungs are reached again, before an act can forestall one; then those who were told that it was done send
    # again what was lost. Of the storm nobody does: what is kept of it lacks its last acts, what is gone leaves its cards.
    account.settle()
    for body in bodies:
        refile(world, body).expect(201)
    world.unit_370102.act(early[0], 'sign', Idempotency_Key='sign-early').expect(200)
    account.log_was_cut(gone, undone, stale)
    assert account.gone & {one for one, in account.sql('supervision', 'SELECT subject::text FROM card')}
    assert undone - account.gone, 'no reply to a complaint that is kept was lost'
    account.settle()
    assert set(raised) <= set(cards(account))
    account.check(days=0)
    assert account.model.stale_cards, 'no card is of a clock that a lost act had started'
    account.wait_for(lambda: not alarms(cluster), 'every alarm to clear', PATIENCE_S)
    cluster.pair.rejoin()
