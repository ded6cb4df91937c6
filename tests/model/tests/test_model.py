"""The model accepts what the law calls for, and finds each kind of damage in it."""
from datetime import date

import pytest
from model.calendar import Calendar
from model.clocks import Clock, Facts
from model.owners import owners_of
from model.reconcile import Reconciliation
from written import (
    COUNTY, Written, answered, at, ignored, returned_twice, unsatisfied, unsatisfied_and_moved, unsatisfied_in_a_city)

ALL = [answered, ignored, unsatisfied, unsatisfied_in_a_city, unsatisfied_and_moved, returned_twice]
RUNG = 'clock.rung_reached.v1'


@pytest.mark.parametrize('write', ALL)
def test_what_the_law_calls_for_is_accepted(write):
    assert write().faults() == []
    if write is not returned_twice:  # whose events stand in the order of the log, not of time
        assert write().faults(prompt=at('03-02 00:00:05') - at('03-02')) == []


def test_counts_are_those_of_the_paper():
    logs = ignored()
    model = Reconciliation()
    assert model.read(logs.complaints, logs.supervision, logs.now) == []
    assert model.counts() == {
        'complaints': 1, 'rungs': 6, 'yellow cards': 1, 'red cards': 1, 'orders, county': 1, 'orders, city': 1,
        'orders, province': 1, 'unsatisfied': 0, 'reports': 1}


# ---------------------------------------------------------------------- damage

@pytest.mark.parametrize('write', ALL)
@pytest.mark.parametrize('stream', ['complaints', 'supervision'])
def test_any_single_event_that_is_missing_is_found(write, stream):
    whole = write()
    log = getattr(whole, stream)
    for event in log:
        which = [one for one in log if one.type == event.type].index(event)
        gap = whole.without(stream, event.type, which, renumber=False)
        assert gap.faults() or event is log[-1], f'{event.type} at {event.position}: the gap'
        if event.type in HARMLESS:
            continue
        seamless = whole.without(stream, event.type, which)
        assert seamless.faults(), f'{event.type} at {event.position}: never written'


# What somebody chose to do, and nothing follows from it that the logs tell. Its gap in the positions tells.
HARMLESS = ('card.acknowledged.v1', 'order.signed.v1', 'order.replied.v1', 'complaint.closed.v1')


@pytest.mark.parametrize('write', ALL)
@pytest.mark.parametrize('stream', ['complaints', 'supervision'])
def test_any_single_event_told_twice_is_found(write, stream):
    whole = write()
    for event in getattr(whole, stream):
        log = getattr(whole, stream)
        which = [one for one in log if one.type == event.type].index(event)
        if event.type not in ('order.replied.v1', 'order.signed.v1'):
            assert whole.again(stream, event.type, which).faults(), f'{event.type} at {event.position}'


def found(logs, text, **options):
    """The one fault is the one meant, or the first of those that follow from it."""
    faults = logs.faults(**options)
    assert faults and text in faults[0], faults
    return True


def test_an_early_rung_is_found():
    early = ignored().changed('complaints', RUNG, 1, fired_at=at('03-09 23:59'))
    assert found(early, 'before it was due')


def test_a_rung_due_on_the_wrong_day_is_found():
    assert found(ignored().changed('complaints', RUNG, 0, due_at=at('03-05')), 'yellow due 2026-03-05')


def test_a_rung_of_an_old_term_is_found():
    assert found(ignored().changed('complaints', RUNG, 0, term=2), 'of term 2')


def test_a_wrong_due_date_is_found():
    assert found(answered().changed('complaints', 'complaint.dispatched.v1', 0, reply_due_at=at('03-09')), 'due 2026-03-09')


def test_a_wrong_outlook_is_found():
    assert found(ignored().changed('complaints', RUNG, 1, next_due_at=at('03-13')), 'the next is told for')
    assert found(ignored().changed('complaints', RUNG, 1, clock_due_at=at('03-11')), 'tells due')


def test_a_red_card_for_a_reply_in_time_is_found():
    w = Written()
    w.filed('03-02 10:00', reply_due='03-10')
    w.act('signed', '03-02 11:00', 'signed')
    w.act('contacted', '03-02 12:00', 'handling', reached=True)
    w.rung('reply', 'yellow', '03-06', '03-06 00:00:01', '03-10', after='03-10')
    w.act('replied', '03-09 23:59:59', 'replied', in_time=True, reply_term=1)
    w.rung('reply', 'red', '03-10', '03-10 00:00:01', '03-10', after='03-14')
    w.card('raised', 'card-y', '03-06 00:00:02', color='yellow')
    w.card('raised', 'card-r', '03-10 00:00:02')
    w.now = at('03-10 10:00')
    assert found(w, 'red at 2026-03-10 00:00:01, after it had ended at 2026-03-09 23:59:59')


def test_a_red_card_in_the_same_millisecond_as_the_reply_is_found():
    w = answered()
    w.complaints[5].time = at('03-10')
    w.complaints[5].data['in_time'] = False
    del w.complaints[6:]
    w.rung('reply', 'yellow', '03-06', '03-06 00:00:01', '03-10', after='03-10')
    w.complaints.insert(5, w.complaints.pop())
    w.rung('reply', 'red', '03-10', '03-10', '03-10', after='03-14')
    w.renumber()
    assert found(w, 'red at 2026-03-10 00:00:00, after it had ended at 2026-03-10 00:00:00')


def test_a_red_card_without_its_rung_is_found():
    w = answered()
    w.card('raised', 'card-r', '03-10 00:00:02')
    assert found(w, "card ('reply', 1, 'red'), where no rung was reached")


def test_a_reply_told_in_time_that_was_not_is_found():
    late = answered().changed('complaints', 'complaint.replied.v1', 0, in_time=False)
    assert found(late, 'in time False')


def test_an_order_at_the_wrong_level_is_found():
    assert found(ignored().changed('supervision', 'order.issued.v1', 0, level='city'), 'first order is of level city')
    assert found(ignored().changed('supervision', 'order.issued.v1', 1, level='province'), 'from county to province')


def test_an_order_for_the_wrong_body_is_found():
    assert found(ignored().changed('supervision', 'order.issued.v1', 1, body='3702-justice'), 'is for 3702-justice')


def test_a_card_at_the_wrong_level_or_division_is_found():
    assert found(ignored().changed('supervision', 'card.raised.v1', 0, level='city'), 'of level city')
    assert found(ignored().changed('supervision', 'card.raised.v1', 0, division='370103'), 'under 370103')


def test_a_complaint_routed_to_another_unit_is_found():
    for kind in ('complaint.filed.v1', 'complaint.dispatched.v1'):
        assert found(answered().changed('complaints', kind, 0, unit='370102-water'), 'tells unit 370102-water')


def test_an_act_that_the_state_forbids_is_found():
    w = answered()
    w.act('signed', '03-06 10:00', 'signed')
    assert found(w, 'signed in state closed')


def test_a_climb_before_the_term_had_run_out_is_found():
    assert found(unsatisfied().without('supervision', RUNG, 0), 'escalated before its term had run out')


def test_a_ladder_that_went_on_after_the_verdict_is_found():
    w = ignored()
    closed = w.changed('supervision', 'order.replied.v1', 0, reason='verdict', state='closed')
    closed.supervision[[e.type for e in closed.supervision].index('order.replied.v1')].type = 'order.closed.v1'
    assert found(closed, 'escalated: an order that is closed')


def test_a_ladder_that_stopped_without_a_verdict_is_found():
    w = ignored()
    del w.supervision[-3:]
    assert found(w, 'no order for l3')


def test_the_verdict_ends_the_ladder():
    w = ignored()
    first = [event.type for event in w.supervision].index('order.replied.v1')
    del w.supervision[first + 1:]
    w.order('closed', 'o1', '03-18 10:00', due='03-21', reason='verdict')
    assert w.faults() == []


def test_an_order_clock_that_ran_on_after_the_reply_is_found():
    w = unsatisfied()
    w.act('redone', '03-04 10:05', 'handling', redo_count=2, reply_due_at=at('03-12'), reply_term=3)
    w.act('replied', '03-05 10:00', 'replied', in_time=True, reply_term=3)
    w.act('closed', '03-05 10:05', 'closed')
    assert found(w, 'l2 at 2026-03-12 00:00:01, after it had ended at 2026-03-05 10:00:00')
    lag = at('03-20') - at('03-05')  # as if supervision had been away for so long
    assert not any('after it had ended at 2026-03-05' in fault for fault in w.faults(lag=lag))


def test_an_order_that_stopped_when_the_centre_closed_the_matter_is_found():
    w = unsatisfied_in_a_city()
    del w.supervision[1:]
    assert found(w, 'l2 of order o1 was due 2026-03-12')


def test_an_order_that_stayed_behind_is_found():
    w = unsatisfied_and_moved()
    gone = w.without('supervision', 'order.moved_out.v1')
    assert found(gone, 'left 370102, which nobody there was told')
    del w.supervision[1:]
    w.card('raised', 'card-y', '03-11 00:00:02', color='yellow', term=4)
    w.now = at('03-11 10:00')
    assert any('its matter at' in fault for fault in w.faults())


def test_a_state_that_was_not_told_is_found():
    assert found(ignored().changed('supervision', 'order.signed.v1', 0, state='issued'), 'signed: told state issued')
    assert found(ignored().changed('supervision', 'order.replied.v1', 0, state='signed'), 'replied: told state signed')
    assert found(ignored().changed('supervision', 'order.reported.v1', 0, state='closed'), 'told state closed')
    assert found(ignored().changed('supervision', 'card.acknowledged.v1', 0, state='open'), 'acknowledged, but open')
    assert found(returned_twice().changed('supervision', 'card.closed.v1', 0, state='open'), 'closed, but open')


def test_a_term_by_level_and_not_by_step_is_found():
    """The second order of a city's matter is the province's, and has five working days, not ten."""
    w = unsatisfied_in_a_city()
    assert found(w.changed('supervision', 'order.issued.v1', 1, due_at=at('03-27')), 'order due 2026-03-27')


def test_a_rung_that_was_due_before_an_act_is_missed():
    w = answered()
    w.complaints[-3].time = at('03-06 10:00')  # the reply, a day after the yellow card was due
    w.complaints[-2].time = w.complaints[-1].time = at('03-07 10:00')
    assert w.faults() == []
    assert found(w, 'yellow of reply clock', prompt=at('03-02 00:00:05') - at('03-02'))


def test_a_rung_that_is_due_now_is_missed():
    w = answered()
    del w.complaints[5:]
    w.now = at('03-06 00:00:01')
    assert found(w, 'yellow of reply clock')
    w.now = at('03-05 23:59')
    assert w.faults() == []


def test_a_move_that_nobody_was_told_of_is_found():
    assert found(returned_twice().without('complaints', 'complaint.moved_out.v1'), 'left 370102')


def test_importers_clocks_start_when_the_centre_received_it():
    w = Written(source='test-1')
    w.filed('03-04 10:00', reply_due='03-10', received='03-02 10:00')
    w.now = at('03-04 12:00')
    assert found(w, 'due 2026-03-10')
    assert w.faults(importers=('test-',)) != []  # the sign clock is overdue from the start
    w.complaints[-1].data['reply_due_at'] = at('03-10')
    w.rung('sign', 'red', '03-04', '03-04 10:00:01', '03-04')
    w.card('raised', 'card-s', '03-04 10:00:02', kind='sign')
    assert w.faults(importers=('test-',)) == []


def test_what_was_made_of_a_complaint_that_is_gone_is_not_looked_at():
    w = ignored()
    w.complaints = []
    assert found(w, 'never filed')
    assert w.faults(gone={'another'}) != [] and w.faults(gone={'c1'}) == []


def test_a_card_of_a_clock_that_a_lost_act_had_started_stands():
    """The reply and the visit's rung were lost; the card of that rung was not, and was closed with the complaint."""
    w = Written()
    w.filed('03-02 10:00', reply_due='03-10')
    w.act('signed', '03-02 11:00', 'signed')
    w.act('contacted', '03-02 12:00', 'handling', reached=True)
    w.card('raised', 'card-v', '03-05 00:00:02', kind='visit')
    w.card('closed', 'card-v', '03-05 10:00:00', kind='visit')
    w.now = at('03-05 12:00')
    assert found(w, 'where no rung was reached')
    assert w.faults(stale=1) == []
    w.supervision.insert(0, w.supervision.pop())
    w.renumber()
    assert w.faults(stale=1) != [], 'closed before it was raised'


# ---------------------------------------------------------------------- who sees what

def test_each_receives_his_subtree():
    logs = returned_twice()
    model = Reconciliation()
    assert model.read(logs.complaints, logs.supervision, logs.now) == []

    def received(jurisdiction, role='supervisor'):
        return [event.type.split('.')[1] for event in model.received_by(logs.complaints, jurisdiction, role)]
    assert received('3701') == received('37') == [
        'filed', 'dispatched', 'returned', 'dispatched', 'signed', 'returned', 'rung_reached', 'dispatched', 'signed',
        'rung_reached', 'replied', 'closed']
    assert received(COUNTY) == ['filed', 'dispatched', 'returned', 'moved_out']
    assert received('370103') == received('3701')[3:]
    assert received('3702') == received('370104') == []
    assert len(list(model.received_by(logs.supervision, '370103'))) == len(logs.supervision)
    assert not list(model.received_by(logs.supervision, COUNTY))


def test_an_organ_does_not_see_what_is_about_it():
    w = Written(unit='3701-default')
    w.filed('03-02 10:00', reply_due='03-10', category='urban_enforcement', about_enforcement=True)
    w.now = at('03-02 12:00')
    model = Reconciliation()
    assert model.read(w.complaints, [], w.now) == []
    assert list(model.received_by(w.complaints, COUNTY, 'unit')) == []
    assert len(list(model.received_by(w.complaints, '3701', 'unit'))) == 2
    assert len(list(model.received_by(w.complaints, COUNTY, 'supervisor'))) == 2


# ---------------------------------------------------------------------- calendar, clocks, owners

@pytest.mark.parametrize('start,count,unit,due,provisional', [
    ('2026-02-13 17:00', 1, 'working_days', '2026-02-15', False),   # Saturday 14 February is worked
    ('2026-02-14 09:00', 1, 'working_days', '2026-02-25', False),   # the Spring Festival is from 15 to 23 February
    ('2026-09-30 09:00', 5, 'working_days', '2026-10-14', False),   # 1 to 7 October off; Saturday the 10th is worked
    ('2026-12-30 09:00', 1, 'working_days', '2027-01-01', False),
    ('2026-12-31 09:00', 1, 'working_days', '2027-01-02', True),    # nobody has announced 2027: Friday by weekday
    ('2026-12-31 09:00', 24, 'hours', '2027-01-01 09:00', False),
])
def test_terms(start, count, unit, due, provisional):
    moment = at(start[5:])
    told = Calendar().due(moment, count, unit)
    expected = at(due[5:])
    assert (told.at, told.provisional) == (expected.replace(year=int(due[:4])), provisional)


def test_states_of_a_clock():
    clock = Clock(Facts(), 'reply', 'reply', at('03-02 10:00'))
    assert (clock.due_on, clock.state(at('03-09 23:59')), clock.state(at('03-10'))) == (date(2026, 3, 9), 'running', 'late')
    clock.extend(3)
    assert (clock.term, clock.due_at, clock.started) == (2, at('03-13'), at('03-02 10:00'))
    clock.end(at('03-12 23:59'))
    assert clock.state(at('06-01')) == 'met'
    late = Clock(Facts(), 'reply', 'reply', at('03-02 10:00'))
    late.end(at('03-10'))
    assert late.state(at('06-01')) == 'late'
    right = Clock(Facts(), 'return', 'return', at('03-02 10:00'))
    assert (right.state(at('03-04 23:59')), right.state(at('03-05'))) == ('running', 'cancelled')


def test_a_term_of_one_day_has_no_yellow_card():
    clock = Clock(Facts(), 'sign', 'sign', at('03-06 10:00'))
    assert clock.next_rung() == ('red', at('03-10'))  # signed by Monday the ninth


def test_owners():
    owners = owners_of(date(2026, 3, 2))
    assert owners.owner('370102001', 'street_vending', False) == ('370102-urban', '')
    assert owners.owner('370102', 'urban_enforcement', True) == ('3701-default', '3701')
    assert owners.owner('371202', 'other', False) == ('370116-default', '')  # 莱城区 has become 莱芜区
    assert owners.designated('370102-urban', '370102-water') == '3701-default'
    assert owners.designated('370102-urban', '3702-water') == '37-default'
    assert owners.body('370102001', 'county') == '370102-justice'
    assert owners.category('城管执法') == 'urban_enforcement'
    assert owners.category('') == 'other'
    assert owners.category('no such') is None
