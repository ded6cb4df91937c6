"""One complaint: its events in the order of the log, each checked against what the law and the acts before it allow."""
from dataclasses import dataclass
from datetime import datetime

from .clocks import Clock, require, shown
from .owners import contains

FAILED_VISITS_TO_ORDER = 2
REDO_MAX = 2

# The act's event: (states that allow it, the state after it; None = unchanged).
ACTS = {
    'signed': ({'dispatched'}, 'signed'),
    'contacted': ({'signed', 'handling'}, None),
    'replied': ({'signed', 'handling'}, 'replied'),
    'extended': ({'dispatched', 'signed', 'handling'}, None),
    'returned': ({'dispatched', 'signed'}, 'returned'),
    'dispatched': ({'received', 'returned'}, 'dispatched'),
    'visited': ({'replied'}, None),
    'redone': ({'visited'}, 'handling'),
    'closed': ({'replied', 'visited'}, 'closed'),
    'reopened': ({'closed'}, 'received'),
}
# The cards of these clocks warned of what the act has ended.
CARDS_ENDED = {
    'signed': ('sign',), 'dispatched': ('dispatch',), 'contacted': ('contact',), 'visited': ('visit',),
    'returned': ('sign', 'contact', 'reply'), 'replied': ('reply', 'contact'),
    'closed': ('dispatch', 'sign', 'contact', 'reply', 'visit'),
}
REACHED_ONLY = ('contacted', 'visited')


@dataclass
class ExpectedCard:
    """A card that supervision must raise, and close once the act has come."""
    division: str
    unit: str
    fired_at: datetime
    closed: bool = False


@dataclass
class LadderRung:
    """A rung of the overdue ladder: it calls for an order, a climb or a report."""
    term: int
    rung: str
    division: str
    unit: str
    fired_at: datetime
    next_due_at: datetime | None


@dataclass
class FailedVisit:
    """A visit that calls for an order, and when the unit's next reply stops the clocks of orders that come of it."""
    position: int
    at: datetime
    division: str
    unit: str
    stopped_at: datetime | None = None


class Matter:
    """A complaint as its own log tells it. `prompt`: how late a rung may be found due; None = nobody promised."""

    def __init__(self, facts, owners, complaint_id, importers=(), prompt=None):
        self.facts, self.owners, self.id = facts, owners, complaint_id
        self.importers, self.prompt = importers, prompt
        self.clocks = {}
        self.state = self.division = self.unit = self.category = self.source = None
        self.left = None         # the division that the newest dispatch made it leave
        self.audience = ''
        self.version = 0
        self.failed_visits = self.redos = self.returns = 0
        self.extended = self.designated = self.visit_failed = False
        self.returned_by = None
        self.addresses = []      # (division, unit): where it has been
        self.cards = {}          # (clock kind, term, color): ExpectedCard
        self.ladder = []         # LadderRung
        self.unsatisfied = []    # FailedVisit

    def require(self, condition, text):
        """As require(), naming the complaint."""
        require(condition, lambda: f'{self.id}: {text() if callable(text) else text}')

    # ------------------------------------------------------------------ events of the complaints' log

    def apply(self, kind, event):
        """An act's event, next in the log."""
        data, at = event.data, event.time
        self.require(data['complaint_id'] == self.id, f'{kind} tells of {data["complaint_id"]}')
        if kind == 'moved_out':
            self._on_moved_out(data)
            return
        self.require(self.left is None, lambda: f'left {self.left}, which nobody there was told')
        if kind != 'filed':
            self._check_act(kind, data)
        self._check_clocks_before(at)
        getattr(self, f'_on_{kind}')(data, at, event.position)
        self._close_cards(kind, data)
        self.require(data['state'] == self.state, f'{kind} tells state {data["state"]}, not {self.state}')
        self.require(data['division'] == self.division, f'{kind} under {data["division"]}, not {self.division}')
        self.require(data['unit'] == self.unit, f'{kind} tells unit {data["unit"]}, not {self.unit}')

    def _check_act(self, kind, data):
        self.require(self.state is not None, f'{kind} before it was filed')
        version = self.version if self._is_first_dispatch(kind) else self.version + 1
        self.require(int(data['version']) == version, f'{kind} is version {data["version"]}, not {version}')
        self.version = version
        allowed, after = ACTS[kind]
        self.require(self.state in allowed or self._is_first_dispatch(kind), f'{kind} in state {self.state}')
        self.state = after or self.state

    def _is_first_dispatch(self, kind):
        return kind == 'dispatched' and 'reply' not in self.clocks

    def _check_clocks_before(self, at):
        """Nothing that was due before this act was left out."""
        if self.prompt is None:
            return
        for clock in self.clocks.values():
            missed = clock.missed_rung(at - self.prompt)
            self.require(not clock.is_open or missed is None,
                         lambda clock=clock, missed=missed:
                         f'{missed[0]} of {clock} was due {shown(missed[1])} and is not in the log')

    def _close_cards(self, kind, data):
        if kind in REACHED_ONLY and not data['reached']:
            return
        for (clock_kind, _, _), card in self.cards.items():
            if clock_kind in CARDS_ENDED.get(kind, ()):
                card.closed = True

    def _start(self, kind, at):
        if kind in self.clocks:
            self.clocks[kind].start(at)
        else:
            self.clocks[kind] = Clock(self.facts, kind, kind, at)

    def _end(self, at, *kinds, cancelled=False):
        for kind in kinds:
            if kind in self.clocks:
                self.clocks[kind].end(at, cancelled)

    def _note_address(self):
        if self.addresses[-1:] != [(self.division, self.unit)]:
            self.addresses.append((self.division, self.unit))

    def _stop_orders(self, at):
        """Clocks of orders end: the unit has answered. A return, a move or the centre's closing end none."""
        for visit in self.unsatisfied:
            visit.stopped_at = visit.stopped_at or at

    def _check_due(self, data):
        reply = self.clocks['reply']
        self.require(data['reply_due_at'] == reply.due_at,
                     lambda: f'due {shown(data["reply_due_at"])}, not {shown(reply.due_at)}')
        self.require(data['reply_term'] == reply.term, lambda: f'term {data["reply_term"]}, not {reply.term}')

    def _on_filed(self, data, at, _position):
        self.require(self.state is None, 'filed twice')
        self.require(int(data['version']) == 1, f'filed as version {data["version"]}')
        self.version, self.state = 1, 'dispatched'
        self.division, self.category, self.source = data['division'], data['category'], data['source']
        self.received_at = data['received_at']
        self.unit, self.audience = self.owners.owner(self.division, self.category, data['about_enforcement'])
        self.require(at is not None and self.received_at is not None, 'filed at no time')
        self._note_address()

    def _on_dispatched(self, data, at, _position):
        starts = at
        if 'reply' not in self.clocks:
            if self.importers and self.source.startswith(self.importers):
                starts = min(self.received_at, at)
        else:
            self._readdress(data)
        self._end(at, 'dispatch')
        for kind in ('sign', 'return', 'reply'):
            self._start(kind, starts)
        self.extended = False
        self._check_due(data)

    def _readdress(self, data):
        """The centre chose the unit, or it was designated; the matter goes where the unit is, unless that holds it."""
        if self.designated:
            self.require(data['unit'] == self.unit, f'dispatched to {data["unit"]}, designated is {self.unit}')
        self.require(data['unit'] in self.owners.units, f'dispatched to {data["unit"]}, which is no unit')
        self.unit, old = data['unit'], self.division
        home = self.owners.units[self.unit]['division']
        self.division = old if contains(home, old) else home
        self.left = None if contains(old, self.division) else old
        self._note_address()

    def _on_moved_out(self, data):
        self.require(self.left is not None, f'moved out of {data["division"]}, which it had not left')
        self.require(data['division'] == self.left, f'moved out of {data["division"]}, had left {self.left}')
        self.require(int(data['version']) == self.version, f'moved out as version {data["version"]}')
        self.left = None

    def _on_signed(self, _data, at, _position):
        self._end(at, 'sign')
        self._start('contact', at)

    def _on_contacted(self, data, at, _position):
        if data['reached']:
            self._end(at, 'contact')
            self.state = 'handling'

    def _on_replied(self, data, at, _position):
        reply = self.clocks['reply']
        self._end(at, 'reply')
        self._end(at, 'contact', 'return', cancelled=True)
        self._start('visit', at)
        self._stop_orders(at)
        in_time = reply.state(at) == 'met'
        self.require(data['in_time'] == in_time, lambda: f'replied {shown(at)}, in time {data["in_time"]}: {reply}')
        self.require(data['reply_term'] == reply.term, lambda: f'replied in term {data["reply_term"]}: {reply}')

    def _on_extended(self, data, at, _position):
        self.require(not self.extended, 'extended twice')
        self.require(at < self.clocks['reply'].due_at, lambda: f'extended at {shown(at)}: {self.clocks["reply"]}')
        self.extended = True
        self.clocks['reply'].extend(data['working_days'])
        self._check_due(data)

    def _on_returned(self, data, at, _position):
        term = self.clocks['return']
        self.require(not self.designated, 'returned by the designated unit')
        self.require(term.is_open and at < term.due_at, lambda: f'returned at {shown(at)}: {term}')
        self.returns += 1
        self.designated = self.returns >= 2
        self.require((data['return_count'], data['return_limit']) == (self.returns, self.designated),
                     f'return {data["return_count"]}, limit {data["return_limit"]}, not {self.returns}, '
                     f'{self.designated}')
        returner = self.unit
        if self.designated:
            self.unit = self.owners.designated(self.returned_by, returner)
            self._note_address()
        self.returned_by = returner
        self._end(at, 'return')
        self._end(at, 'sign', 'contact', 'reply', cancelled=True)
        self._start('dispatch', at)

    def _on_visited(self, data, at, position):
        self.visit_failed = data['reached'] and not (data['solved'] and data['satisfied'])
        self.failed_visits += self.visit_failed
        self.require(data['failed_visits'] == self.failed_visits,
                     f'failed visits {data["failed_visits"]}, not {self.failed_visits}')
        if not data['reached']:
            return
        self.state = 'visited'
        self._end(at, 'visit')
        if self.visit_failed and self.failed_visits >= FAILED_VISITS_TO_ORDER:
            self.unsatisfied.append(FailedVisit(position, at, self.division, self.unit))

    def _on_redone(self, data, at, _position):
        self.redos += 1
        self.require(self.visit_failed, 'redone, the visit had not failed')
        self.require(self.redos <= REDO_MAX, f'redone {self.redos} times')
        self.require(data['redo_count'] == self.redos, f'redo {data["redo_count"]}, not {self.redos}')
        self.extended = False
        self._start('reply', at)
        self._check_due(data)

    def _on_closed(self, _data, at, _position):
        self._end(at, 'visit', cancelled=True)

    def _on_reopened(self, _data, at, _position):
        self.failed_visits = self.redos = 0
        self._start('dispatch', at)

    # ------------------------------------------------------------------ rungs, and the whole

    def rung_reached(self, data):
        """A rung of one of this complaint's clocks: a card, or a step of the ladder."""
        clock = self.clocks.get(data['clock_kind'])
        self.require(clock is not None, f'a rung of a {data["clock_kind"]} clock that never started')
        self.require((data['division'], data['unit']) == (self.division, self.unit),
                     f'{data["rung"]} under {data["division"]}, {data["unit"]}, not {self.division}, {self.unit}')
        try:
            clock.reach(data)
        except AssertionError as fault:
            self.require(False, str(fault))
        if data['rung'] in ('yellow', 'red'):
            self.cards[clock.kind, clock.term, data['rung']] = ExpectedCard(
                self.division, self.unit, data['fired_at'])
        else:
            self.ladder.append(LadderRung(clock.term, data['rung'], self.division, self.unit, data['fired_at'],
                                          data['next_due_at']))

    def recomputed(self, data):
        """A notice came, or an operator decided that a corrected one counts for what was announced, too."""
        clock = self.clocks.get(data['clock_kind'])
        self.require(clock is not None and clock.term == data['term'], f'recomputed: {clock}')
        clock.recompute(data['old_due_at'], data['new_due_at'], data['provisional'],
                        decided=data['reason'] == 'calendar_decision')

    def check(self, now):
        """When the log was read: nothing is due at `now` that is not in it, nobody waits to be told of a move."""
        self.require(self.left is None, f'left {self.left}, which nobody there was told')
        for clock in self.clocks.values():
            missed = clock.missed_rung(now) if clock.is_open else None
            self.require(missed is None, lambda clock=clock, missed=missed:
                         f'{missed[0]} of {clock} was due {shown(missed[1])} and is not in the log')
