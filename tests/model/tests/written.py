"""Logs written by hand: every instant and due date in them was counted on a paper calendar, none by the model.

March 2026 has no holidays and no make-up days: 2 March is a Monday.
"""
import copy
from datetime import datetime

from model.calendar import CHINA
from model.reconcile import Event, Reconciliation

COUNTY, UNIT, BODY = '370102', '370102-urban', '370102-justice'
NEVER = None


def at(text):
    """`03-02 10:00` of 2026, on a Chinese wall clock; midnight where no time is given."""
    day, _, hour = text.partition(' ')
    return datetime.fromisoformat(f'2026-{day}T{hour or "00:00"}').replace(tzinfo=CHINA)


class Written:
    """Both logs of a complaint, and the time by which all has settled."""

    def __init__(self, complaint='c1', division=COUNTY, unit=UNIT, source='jinan-12345'):
        self.complaints, self.supervision = [], []
        self.complaint, self.division, self.unit, self.source = complaint, division, unit, source
        self.version = 0
        self.now = at('06-01')
        self.order_states = {}

    def _append(self, log, kind, subject, time, data):
        log.append(Event(len(log) + 1, f'{id(log)}-{len(log) + 1}', kind, subject, data['division'],
                         self.complaint, time, data))

    def act(self, kind, when, state, **more):
        """An act on the complaint."""
        self.version += kind != 'moved_out'
        data = {'complaint_id': self.complaint, 'division': self.division, 'unit': self.unit, 'state': state,
                'version': str(self.version), **more}
        self._append(self.complaints, f'complaint.{kind}.v1', self.complaint, at(when), data)

    def filed(self, when, reply_due, category='street_vending', received=None, about_enforcement=False):
        """Filing dispatches at once."""
        self.act('filed', when, 'dispatched', source=self.source, category=category,
                 about_enforcement=about_enforcement, received_at=at(received or when))
        data = self.complaints[-1].data
        self._append(self.complaints, 'complaint.dispatched.v1', self.complaint, at(when),
                     {**{key: data[key] for key in ('complaint_id', 'division', 'unit', 'state', 'version')},
                      'reply_due_at': at(reply_due), 'reply_term': 1})

    def rung(self, kind, rung, due, fired, clock_due, after=NEVER, term=1):
        """A rung of a clock of the complaint."""
        self._append(self.complaints, 'clock.rung_reached.v1', self.complaint, at(fired), {
            'clock_kind': kind, 'term': term, 'rung': rung, 'subject': self.complaint, 'division': self.division,
            'unit': self.unit, 'due_at': at(due), 'fired_at': at(fired), 'next_due_at': after and at(after),
            'clock_due_at': at(clock_due)})

    def card(self, what, card, when, kind='reply', color='red', term=1, level='county', **more):
        """Something about a card: raised, acknowledged, closed."""
        more.setdefault('state', {'raised': 'open'}.get(what, what))
        self._append(self.supervision, f'card.{what}.v1', card, at(when), {
            'card_id': card, 'color': color, 'subject': self.complaint, 'clock_kind': kind, 'term': term,
            'division': self.division, 'unit': self.unit, 'level': level, 'raised_at': at(when), **more})

    def order(self, what, order, when, level='county', trigger='overdue', due=NEVER, body=BODY, previous='', **more):
        """Something about an order: issued, signed, replied, closed, escalated, cannot_escalate, reported, readdressed."""
        if what in ('issued', 'signed', 'replied', 'closed', 'escalated'):
            self.order_states[order] = what
        more.setdefault('state', self.order_states[order])
        self._append(self.supervision, f'order.{what}.v1', order, at(when), {
            'order_id': order, 'level': level, 'trigger': trigger, 'subject': self.complaint,
            'division': self.division, 'unit': self.unit, 'body': body, 'issued_at': at(when),
            'due_at': due and at(due), 'previous': previous, **more})

    def order_rung(self, order, rung, due, fired, clock_due, after=NEVER):
        """A rung of an order's own clock."""
        self._append(self.supervision, 'clock.rung_reached.v1', order, at(fired), {
            'clock_kind': 'order', 'term': 1, 'rung': rung, 'subject': order, 'division': self.division,
            'unit': self.unit, 'due_at': at(due), 'fired_at': at(fired), 'next_due_at': after and at(after),
            'clock_due_at': at(clock_due)})

    def faults(self, **options):
        """What the model finds."""
        return Reconciliation(**options).read(self.complaints, self.supervision, self.now)

    def without(self, stream, kind, which=0, renumber=True):
        """A copy that lacks one event, as if it had never been written."""
        damaged = copy.deepcopy(self)
        log = getattr(damaged, stream)
        log.remove([event for event in log if event.type == kind][which])
        if renumber:
            damaged.renumber()
        return damaged

    def again(self, stream, kind, which=0):
        """A copy that has one event twice, under an id of its own."""
        damaged = copy.deepcopy(self)
        log = getattr(damaged, stream)
        twice = copy.deepcopy([event for event in log if event.type == kind][which])
        twice.id += '-again'
        log.insert(log.index([event for event in log if event.type == kind][which]) + 1, twice)
        damaged.renumber()
        return damaged

    def changed(self, stream, kind, which=0, time=None, **data):
        """A copy in which one event tells something else."""
        damaged = copy.deepcopy(self)
        event = [event for event in getattr(damaged, stream) if event.type == kind][which]
        event.time = time or event.time
        event.data.update(data)
        event.division = event.data['division']
        return damaged

    def renumber(self):
        """Positions as a log without the damage would have them."""
        for log in (self.complaints, self.supervision):
            for position, event in enumerate(log, 1):
                event.position = position


def answered():
    """Signed, reached and answered on the third day, visited and closed on the fourth."""
    w = Written()
    w.filed('03-02 10:00', reply_due='03-10')
    w.act('signed', '03-02 11:00', 'signed')
    w.act('contacted', '03-02 12:00', 'signed', reached=False)
    w.act('contacted', '03-02 15:00', 'handling', reached=True)
    w.act('replied', '03-04 10:00', 'replied', in_time=True, reply_term=1)
    w.act('visited', '03-05 10:00', 'visited', reached=True, solved=True, satisfied=True, failed_visits=0)
    w.act('closed', '03-05 10:05', 'closed')
    return w


def ignored():
    """Signed, and then nothing: yellow, red, three orders, the report. Scanned a second after each midnight."""
    w = Written()
    w.filed('03-02 10:00', reply_due='03-10')
    w.act('signed', '03-02 11:00', 'signed')
    w.act('contacted', '03-02 12:00', 'handling', reached=True)
    w.rung('reply', 'yellow', '03-06', '03-06 00:00:01', '03-10', after='03-10')
    w.card('raised', 'card-y', '03-06 00:00:02', color='yellow')
    w.rung('reply', 'red', '03-10', '03-10 00:00:01', '03-10', after='03-14')
    w.card('raised', 'card-r', '03-10 00:00:02')
    w.card('acknowledged', 'card-r', '03-10 09:00', acknowledged_by='supervisor_370102')
    w.rung('reply', 'l1', '03-14', '03-14 00:00:01', '03-10', after='03-21')
    w.order('issued', 'o1', '03-14 00:00:02', due='03-21')
    w.order('signed', 'o1', '03-16 10:00', due='03-21')
    w.order('replied', 'o1', '03-17 10:00', due='03-21')
    w.rung('reply', 'l2', '03-21', '03-21 00:00:01', '03-10', after='03-28')
    w.order('escalated', 'o1', '03-21 00:00:02', due='03-21')
    w.order('issued', 'o2', '03-21 00:00:02', level='city', due='03-28', body='3701-justice', previous='o1')
    w.rung('reply', 'l3', '03-28', '03-28 00:00:01', '03-10', after='04-14')  # Qingming: 6 April is off
    w.order('escalated', 'o2', '03-28 00:00:02', level='city', due='03-28', body='3701-justice')
    w.order('issued', 'o3', '03-28 00:00:02', level='province', due='04-14', body='37-justice', previous='o2')
    w.rung('reply', 'report', '04-14', '04-14 00:00:01', '03-10')
    w.order('reported', 'o3', '04-14 00:00:02', level='province', due='04-14', body='37-justice')
    return w


def unsatisfied():
    """Two visits found it unsolved; the order of the second climbs to the province, and is reported."""
    w = Written()
    w.filed('03-02 10:00', reply_due='03-10')
    w.act('signed', '03-02 11:00', 'signed')
    w.act('replied', '03-02 16:00', 'replied', in_time=True, reply_term=1)
    w.act('visited', '03-03 10:00', 'visited', reached=True, solved=False, satisfied=False, failed_visits=1)
    w.act('redone', '03-03 10:05', 'handling', redo_count=1, reply_due_at=at('03-11'), reply_term=2)
    w.act('replied', '03-03 16:00', 'replied', in_time=True, reply_term=2)
    w.act('visited', '03-04 10:00', 'visited', reached=True, solved=True, satisfied=False, failed_visits=2)
    more = {'trigger': 'unsatisfied'}
    w.order('issued', 'o1', '03-04 10:00:01', due='03-12', **more)
    w.order_rung('o1', 'l2', '03-12', '03-12 00:00:01', '03-12', after='03-20')
    w.order('escalated', 'o1', '03-12 00:00:02', due='03-12', **more)
    w.order('issued', 'o2', '03-12 00:00:02', level='city', due='03-20', body='3701-justice', previous='o1', **more)
    w.order_rung('o2', 'l3', '03-20', '03-20 00:00:01', '03-20', after='04-04')
    w.order('escalated', 'o2', '03-20 00:00:02', level='city', due='03-20', body='3701-justice', **more)
    top = {'level': 'province', 'due': '04-04', 'body': '37-justice', **more}
    w.order('issued', 'o3', '03-20 00:00:02', previous='o2', **top)
    w.order_rung('o3', 'report', '04-04', '04-04 00:00:01', '04-04')
    w.order('reported', 'o3', '04-04 00:00:02', **top)
    return w


def unsatisfied_in_a_city():
    """A city's own matter: closed by the centre, its order climbs on; with l3 nobody stands above, and then the report."""
    w = Written(division='3701', unit='3701-urban')
    w.filed('03-02 10:00', reply_due='03-10')
    w.act('signed', '03-02 11:00', 'signed')
    w.act('replied', '03-02 16:00', 'replied', in_time=True, reply_term=1)
    w.act('visited', '03-03 10:00', 'visited', reached=True, solved=False, satisfied=False, failed_visits=1)
    w.act('redone', '03-03 10:05', 'handling', redo_count=1, reply_due_at=at('03-11'), reply_term=2)
    w.act('replied', '03-03 16:00', 'replied', in_time=True, reply_term=2)
    w.act('visited', '03-04 10:00', 'visited', reached=True, solved=True, satisfied=False, failed_visits=2)
    w.act('closed', '03-04 10:05', 'closed')
    first = {'trigger': 'unsatisfied', 'level': 'city', 'due': '03-12', 'body': '3701-justice'}
    w.order('issued', 'o1', '03-04 10:00:01', **first)
    w.order_rung('o1', 'l2', '03-12', '03-12 00:00:01', '03-12', after='03-20')
    w.order('escalated', 'o1', '03-12 00:00:02', **first)
    top = {'trigger': 'unsatisfied', 'level': 'province', 'due': '03-20', 'body': '37-justice'}
    w.order('issued', 'o2', '03-12 00:00:02', previous='o1', **top)
    w.order_rung('o2', 'l3', '03-20', '03-20 00:00:01', '03-20', after='04-04')
    w.order('cannot_escalate', 'o2', '03-20 00:00:02', **top)
    w.order_rung('o2', 'report', '04-04', '04-04 00:00:01', '03-20')
    w.order('reported', 'o2', '04-04 00:00:02', **top)
    return w


def unsatisfied_and_moved():
    """Closed, reopened and returned: the open order goes with the matter to the neighbours, and climbs there."""
    w = unsatisfied()
    del w.supervision[1:]
    w.order_states = {'o1': 'issued'}
    w.act('closed', '03-04 11:00', 'closed')
    w.act('reopened', '03-05 09:00', 'received')
    w.act('dispatched', '03-05 09:05', 'dispatched', reply_due_at=at('03-13'), reply_term=3)
    w.act('returned', '03-05 10:00', 'returned', return_count=1, return_limit=False)
    w.division, w.unit = '370103', '370103-urban'
    w.act('dispatched', '03-05 11:00', 'dispatched', reply_due_at=at('03-13'), reply_term=4)
    w.division = COUNTY
    w.act('moved_out', '03-05 11:00', '')
    w.division = '370103'
    w.act('signed', '03-05 12:00', 'signed')
    w.act('contacted', '03-05 13:00', 'handling', reached=True)
    more = {'trigger': 'unsatisfied', 'due': '03-12'}
    w.order('readdressed', 'o1', '03-05 11:00:01', body='370103-justice', previous_unit=UNIT, **more)
    w.division = COUNTY
    w.order('moved_out', 'o1', '03-05 11:00:01', body='', **more)
    w.division = '370103'
    w.rung('reply', 'yellow', '03-11', '03-11 00:00:01', '03-13', after='03-13', term=4)
    w.card('raised', 'card-y', '03-11 00:00:02', color='yellow', term=4)
    w.order_rung('o1', 'l2', '03-12', '03-12 00:00:01', '03-12', after='03-20')
    w.order('escalated', 'o1', '03-12 00:00:02', body='370103-justice', **more)
    w.order('issued', 'o2', '03-12 00:00:02', level='city', body='3701-justice', previous='o1', trigger='unsatisfied',
            due='03-20')
    w.now = at('03-12 10:00')
    return w


def returned_twice():
    """Returned, dispatched to the neighbours, returned again: the common superior's superior has it for good."""
    w = Written()
    w.filed('03-02 10:00', reply_due='03-10')
    w.act('returned', '03-02 11:00', 'returned', return_count=1, return_limit=False)
    w.division, w.unit = '370103', '370103-urban'
    w.act('dispatched', '03-02 12:00', 'dispatched', reply_due_at=at('03-10'), reply_term=2)
    w.division = COUNTY
    w.act('moved_out', '03-02 12:00', '')
    w.division = '370103'
    w.act('signed', '03-02 13:00', 'signed')
    w.unit = '37-default'
    w.act('returned', '03-03 11:00', 'returned', return_count=2, return_limit=True)
    w.rung('dispatch', 'red', '03-04', '03-04 00:00:01', '03-03 13:00', term=2)
    w.card('raised', 'card-d', '03-04 00:00:02', kind='dispatch', term=2)
    w.act('dispatched', '03-04 12:30', 'dispatched', reply_due_at=at('03-12'), reply_term=3)
    w.card('closed', 'card-d', '03-04 12:30:01', kind='dispatch', term=2)
    w.act('signed', '03-04 13:00', 'signed')
    w.act('replied', '03-10 23:59', 'replied', in_time=True, reply_term=3)
    w.rung('reply', 'yellow', '03-10', '03-10 00:00:01', '03-12', after='03-12', term=3)
    w.complaints.insert(-1, w.complaints.pop())  # the card came first, the answer late that day
    w.card('raised', 'card-y', '03-10 00:00:02', color='yellow', term=3)
    w.card('closed', 'card-y', '03-10 23:59:01', color='yellow', term=3)
    w.act('closed', '03-11 09:00', 'closed')
    w.renumber()
    return w
