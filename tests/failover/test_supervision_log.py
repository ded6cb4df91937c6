"""Supervision's log loses its end: supervision, which follows it, is set going again; what it had made of the complaints it
makes again."""
import pytest
from conftest import TOGETHER
from ends import PATIENCE_S, cut_off, head_of, place, wait_going, wait_stopped
from operator_view import alarms, lujian

PAIRED = ('supervision',)


def made(account):
    """(ids of cards, of orders)."""
    return tuple({one for one, in account.sql('supervision', f'SELECT id::text FROM {table}')}
                 for table in ('card', 'supervision_order'))


@pytest.mark.skipif(TOGETHER, reason='on one pair with supervision the complaints lose what supervision loses')
def test_what_supervision_lost_of_its_own_it_makes_again(cluster, account, storm):
    world = account.world
    account.order_by_visits()       # its order has a clock of its own, which supervision hears of by its own log
    account.settle()
    cluster.pair.set_synchronous(False)
    account.order_by_visits()
    clients = storm(web=8, bus=2)
    clients.progress()
    _, fork = cut_off(account, 'supervision')

    # Lost: an order, cards, and the climbing of the orders; the complaints lose nothing.
    account.order_by_visits()
    clients.progress()
    clients.finish()
    account.settle()
    world.advance(days=9)
    account.settle()
    cards, orders = made(account)
    _, seen = world.supervisor_370102.events('supervision')
    _, old, heard = place(account, 'supervision', 'supervision')
    consumed = place(account, 'supervision', 'complaints')
    assert cards and len(orders) > 3 and heard == head_of(account, 'supervision') > fork

    cluster.pair.fail_over()
    heard = wait_stopped(account, 'supervision', 'supervision', old)
    assert heard <= fork, 'it has heard of what it has lost'
    world.supervisor_370102.get('/v1/events', stream='supervision', after=seen).expect(409, 'cursor_mismatch')
    wait_going(account, 'supervision', 'complaints')
    assert place(account, 'supervision', 'complaints') == consumed, 'it has not read the complaints to their end again'
    lujian(cluster, 'stream', 'rebase', 'supervision', 'supervision', f'supervision:{old + 1}:{heard}')
    wait_going(account, 'supervision', 'supervision')

    account.log_was_cut()
    account.settle()
    assert cards <= made(account)[0]
    account.check()
    account.wait_for(lambda: not alarms(cluster), 'every alarm to clear', PATIENCE_S)
    cluster.pair.rejoin()
