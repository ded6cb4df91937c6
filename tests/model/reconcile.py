"""Two logs against the model: every event is one the acts call for, and none is missing."""
from dataclasses import dataclass
from datetime import datetime

from .calendar import Calendar
from .clocks import Facts
from .ladder import Orders
from .matter import Matter, Mismatch, require

INSTANTS = ('received_at', 'reply_due_at', 'due_at', 'fired_at', 'next_due_at', 'clock_due_at', 'raised_at', 'issued_at')


@dataclass
class Event:
    position: int
    id: str
    type: str
    subject: str
    division: str
    correlation: str
    time: datetime
    data: dict

    @classmethod
    def from_cloudevent(cls, e):
        data = dict(e['data'])
        for name in INSTANTS:
            if data.get(name):
                data[name] = datetime.fromisoformat(data[name])
        return cls(int(e['position']), e['id'], e['type'], e['subject'], data.get('division', ''),
                   e.get('correlationid', e['subject']), datetime.fromisoformat(e['time']), data)


def check_positions(events, stream):
    positions = [e.position for e in events]
    require(positions == list(range(1, len(positions) + 1)), f'{stream}: positions are not 1, 2, 3, ...')
    require(len({e.id for e in events}) == len(events), f'{stream}: an event id twice')


class Reconciliation:
    """`importers`: sources whose clocks start at received_at (as prefixes)."""

    def __init__(self, importers=(), folder=None):
        self.facts = Facts(Calendar(folder) if folder else Calendar(), folder)
        self.importers = tuple(importers)
        self.matters, self.orders = {}, {}
        self.rungs = 0
        self.faults = []

    def read(self, complaints, supervision, now):
        """Both logs whole, from their first event; `now` = the cluster's civil time once it has settled."""
        for check in ((check_positions, complaints, 'complaints'), (check_positions, supervision, 'supervision')):
            self._try(*check)
        for event in complaints:
            self._try(self._complaint_event, event)
        for event in supervision:
            self._try(self._supervision_event, event)
        for matter in self.matters.values():
            for clock, rung, due in matter.must_have_fired(now):
                self.faults.append(f'{matter.id}: {rung} of {clock} was due {due} and is not in the log')
        for orders in self.orders.values():
            self._try(self._check_orders, orders, now)
        return self.faults

    def _try(self, check, *args):
        try:
            check(*args)
        except Mismatch as fault:
            self.faults.append(str(fault))

    def _complaint_event(self, event):
        thing, kind, _ = event.type.split('.')
        if event.type == 'complaint.filed.v1':
            require(event.subject not in self.matters, f'{event.subject}: filed twice')
            matter = self.matters[event.subject] = Matter(self.facts, event.subject)
            matter.importer = event.data['source'].startswith(self.importers) if self.importers else False
            self.orders[event.subject] = Orders(self.facts, matter)
        matter = self.matters.get(event.correlation)
        require(matter is not None, f'{event.type} of {event.correlation}, never filed')
        if thing == 'clock':
            self.rungs += kind == 'rung_reached'
            if kind == 'rung_reached':
                matter.rung_reached(event.data)
        else:
            matter.apply(kind, event)

    def _supervision_event(self, event):
        thing, kind, _ = event.type.split('.')
        orders = self.orders.get(event.correlation) or next(
            (o for o in self.orders.values() if event.subject in o.by_id), None)
        require(orders is not None, f'{event.type} about {event.correlation}, never filed')
        for at in orders.matter.replies + orders.matter.closed_at:
            if at <= event.time:
                orders.stopped_by(at)
        if thing == 'clock':
            if kind == 'rung_reached':
                orders.rung_reached(event.data)
        else:
            orders.apply(f'{thing}_{kind}', event)

    def _check_orders(self, orders, now):
        orders.check()
        for at in orders.matter.replies + orders.matter.closed_at:
            orders.stopped_by(at)
        for order_id, clock in orders.clocks.items():
            rung = clock.next_rung()
            require(clock.ended is not None or rung is None or rung[1] > now,
                    f'{orders.matter.id}: {rung} of order {order_id} is not in the log')

    def counts(self):
        orders = [o for orders in self.orders.values() for o in orders.by_id.values()]
        return {
            'complaints': len(self.matters), 'rungs': self.rungs,
            'yellow cards': sum(c[2] == 'yellow' for o in self.orders.values() for c in o.cards),
            'red cards': sum(c[2] == 'red' for o in self.orders.values() for c in o.cards),
            **{f'orders, {level}': sum(o['level'] == level for o in orders) for level in ('county', 'city', 'province')},
            'reports': sum(o['reported'] for o in orders),
        }
