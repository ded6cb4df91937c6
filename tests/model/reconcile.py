"""Two logs against the model: every event is one that the acts call for, and none is missing.

    faults = Reconciliation().read(complaints, supervision, now)

`complaints` and `supervision` are the logs from their first event, as lists of Event; `now` is the cluster's civil time
once it had settled (POST /v1/time:advance answers it).
"""
from dataclasses import dataclass
from datetime import datetime, timedelta

from .calendar import local
from .clocks import Facts, Mismatch, require
from .ladder import Orders
from .matter import Matter
from .owners import owners_of

INSTANTS = ('received_at', 'reply_due_at', 'due_at', 'fired_at', 'next_due_at', 'clock_due_at', 'raised_at', 'issued_at',
            'old_due_at', 'new_due_at')
NO_LAG = timedelta(0)


@dataclass(slots=True)
class Event:
    """A CloudEvent of a log, its instants read."""
    position: int
    id: str
    type: str
    subject: str
    division: str
    correlation: str
    time: datetime
    data: dict

    @classmethod
    def from_cloudevent(cls, told):
        """From the JSON that GET /v1/events and SSE tell."""
        data = dict(told['data'])
        for name in INSTANTS:
            if name in data:
                data[name] = datetime.fromisoformat(data[name]) if data[name] else None
        return cls(int(told['position']), told['id'], told['type'], told['subject'], data.get('division', ''),
                   told.get('correlationid', ''), datetime.fromisoformat(told['time']), data)


def check_positions(events, stream, expected=1):
    """Contiguous from the expected position on, no event under two positions."""
    for event in events:
        require(event.position == expected, f'{stream}: position {event.position} where {expected} was to come')
        expected += 1
    require(len({event.id for event in events}) == len(events), f'{stream}: an event id twice')


class Reconciliation:
    """`importers`: prefixes of sources whose clocks start at received_at.

    `prompt`: within how much civil time a rung that is due is in the log, acts being checked for it; None where time was
    advanced while acts went on. `lag`: how far supervision may have been behind the complaints when time moved; zero
    where the cluster had settled before each advance. `cut`: by how much a card may be older than its rung, where the
    complaints' log lost its end and the rung was reached again. `gone`: ids of complaints that went with that end; what
    supervision had made of them stands, and is not looked at. `stale`: the position of supervision's log up to which it knew
    that end: cards of rungs that were lost with the act that had started their clock stand, too, and are `stale_cards`.
    """

    def __init__(self, importers=(), folder=None, prompt=None, lag=NO_LAG, cut=NO_LAG, gone=(), stale=0):
        self.facts = Facts(folder)
        self.folder = folder
        self.owners = None
        self.importers, self.prompt, self.lag, self.cut = tuple(importers), prompt, lag, cut
        self.gone, self.stale, self.stale_cards = gone, stale, set()
        self.matters, self.orders = {}, {}
        self._matter_of_order = {}
        self._read = {'complaints': 0, 'supervision': 0}    # events of each log
        self.rungs = 0          # those that had to come
        self.faults = []

    def read(self, complaints, supervision, now):
        """All faults found, as texts. Called again, with what was logged since, it goes on where it was."""
        self.owners = owners_of(local(now).date(), *([self.folder] if self.folder else []))
        for stream, events in (('complaints', complaints), ('supervision', supervision)):
            self._try(check_positions, events, stream, self._read[stream] + 1)
            self._read[stream] += len(events)
        for event in complaints:
            self._try(self._complaint_event, event)
        for event in supervision:
            self._try(self._supervision_event, event)
        for complaint_id, matter in self.matters.items():
            self._try(matter.check, now)
            self._try(self.orders[complaint_id].check, now)
        return self.faults

    def _try(self, check, *args):
        try:
            check(*args)
        except Mismatch as fault:
            self.faults.append(str(fault))
        except (KeyError, TypeError, AttributeError) as fault:
            self.faults.append(f'{args[0]}: cannot be read: {fault!r}')

    def _complaint_event(self, event):
        thing, kind, _ = event.type.split('.')
        if event.type == 'complaint.filed.v1':
            require(event.subject not in self.matters, f'{event.subject}: filed twice')
            matter = Matter(self.facts, self.owners, event.subject, self.importers, self.prompt)
            self.matters[event.subject] = matter
            self.orders[event.subject] = Orders(matter, self.lag, self.cut)
        matter = self.matters.get(event.subject)
        require(matter is not None, f'{event.subject}: {event.type}, never filed')
        if thing == 'complaint':
            matter.apply(kind, event)
        elif kind == 'rung_reached':
            matter.rung_reached(event.data)
            self.rungs += 1
        else:
            matter.recomputed(event.data)

    def _supervision_event(self, event):
        thing, kind, _ = event.type.split('.')
        matter_id = self._matter_of_order.get(event.subject) or event.correlation
        if matter_id in self.gone:
            return
        orders = self.orders.get(matter_id)
        require(orders is not None, f'{event.type} of {event.subject}, about {matter_id}, never filed')
        if thing == 'order':
            self._matter_of_order[event.subject] = matter_id
        if thing == 'clock':
            orders.rung_reached(event.data)
            self.rungs += 1
        else:
            require(event.data['subject'] == matter_id, f'{event.type} is about {event.data["subject"]}')
            if event.type == 'card.raised.v1' and event.position <= self.stale and not orders.calls_for(event.data):
                self.stale_cards.add(event.subject)
            if event.subject not in self.stale_cards:
                orders.apply(f'{thing}_{kind}', event)

    # ------------------------------------------------------------------ what follows from it

    def counts(self):
        """What the model calls for, in numbers."""
        cards = [key for matter in self.matters.values() for key in matter.cards]
        orders = [order for orders in self.orders.values() for order in orders.by_id.values()]
        return {
            'complaints': len(self.matters), 'rungs': self.rungs,
            'yellow cards': sum(key[2] == 'yellow' for key in cards),
            'red cards': sum(key[2] == 'red' for key in cards),
            **{f'orders, {level}': sum(order.level == level for order in orders)
               for level in ('county', 'city', 'province')},
            'unsatisfied': sum(order.trigger == 'unsatisfied' for order in orders),
            'reports': sum(order.reported for order in orders),
        }

    def received_by(self, events, jurisdiction, role='supervisor'):
        """The events of a log that a principal of that jurisdiction is to receive, in order."""
        sees = {}

        def may_see(division, audience):
            key = (division, audience)
            if key not in sees:
                sees[key] = self.owners.may_see(jurisdiction, division, audience, role)
            return sees[key]

        at = {}  # where each matter is by now
        for event in events:
            matter_id = self._matter_of_order.get(event.subject) or event.correlation or event.subject
            matter = self.matters.get(matter_id)
            audience = matter.audience if matter else ''
            if event.type.split('.')[1] != 'moved_out':
                at[matter_id] = event.division
            elif may_see(at.get(matter_id, event.division), audience):
                continue  # he sees where it went, and was told so
            if may_see(event.division, audience):
                yield event
