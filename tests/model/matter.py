"""One complaint: its events in the order of the log, each checked against what the law and the acts before it allow."""
from .clocks import Clock

STATE_AFTER = {
    'filed': 'dispatched', 'dispatched': 'dispatched', 'signed': 'signed', 'replied': 'replied', 'extended': None,
    'returned': 'returned', 'redone': 'handling', 'closed': 'closed', 'reopened': 'received',
}


class Mismatch(AssertionError):
    """What a log tells is not what the model says."""


def require(condition, text):
    if not condition:
        raise Mismatch(text)


class Matter:
    def __init__(self, facts, complaint_id):
        self.facts, self.id = facts, complaint_id
        self.clocks = {}
        self.state = None
        self.division = self.unit = None
        self.failed_visits = 0
        self.cards = []    # (clock kind, term, color) that supervision must raise
        self.ladder = []   # (clock term, rung, fired_at) of the overdue ladder
        self.unsatisfied = []  # times of failed visits that call for an order
        self.replies = []  # times
        self.closed_at = []
        self.received_at = None
        self.importer = False

    # -- events of the complaints' log --

    def apply(self, kind, event):
        data, at = event.data, event.time
        getattr(self, f'_on_{kind}', lambda *_: None)(data, at)
        if STATE_AFTER.get(kind):
            self.state = STATE_AFTER[kind]
        if 'state' in data:
            require(data['state'] == self.state, f'{self.id}: {kind} tells state {data["state"]}, not {self.state}')
        self.division = data.get('division', self.division)
        self.unit = data.get('unit', self.unit)

    def _start(self, kind, at):
        if kind in self.clocks:
            self.clocks[kind].start(at)
        else:
            self.clocks[kind] = Clock(self.facts, kind, kind, at)

    def _end(self, at, *kinds, cancelled=False):
        for kind in kinds:
            if kind in self.clocks:
                self.clocks[kind].end(at, cancelled)

    def _on_filed(self, data, at):
        self.received_at = data['received_at']

    def _on_dispatched(self, data, at):
        first = 'reply' not in self.clocks
        start = min(self.received_at, at) if first and self.importer else at
        self._end(at, 'dispatch')
        for kind in ('sign', 'return', 'reply'):
            self._start(kind, start)
        self._check_due(data)

    def _check_due(self, data):
        reply = self.clocks['reply']
        require(data['reply_due_at'] == reply.due_at, f'{self.id}: due {data["reply_due_at"]}, not {reply.due_at}')
        require(data['reply_term'] == reply.term, f'{self.id}: term {data["reply_term"]}, not {reply.term}')

    def _on_signed(self, data, at):
        self._end(at, 'sign')
        self._start('contact', at)

    def _on_contacted(self, data, at):
        if data['reached']:
            self._end(at, 'contact')
            self.state = 'handling'

    def _on_replied(self, data, at):
        self._end(at, 'reply')
        self._end(at, 'contact', 'return', cancelled=True)
        self._start('visit', at)
        in_time = self.clocks['reply'].state(at) == 'met'
        require(data['in_time'] == in_time, f'{self.id}: replied {at}, in time {data["in_time"]}, not {in_time}')
        self.replies.append(at)

    def _on_extended(self, data, at):
        self.clocks['reply'].extend(data['working_days'])
        self._check_due(data)

    def _on_returned(self, data, at):
        self._end(at, 'return')
        self._end(at, 'sign', 'contact', 'reply', cancelled=True)
        self._start('dispatch', at)
        self.replies.append(at)  # nobody has it: ladders of its orders stop as they do for a reply

    def _on_visited(self, data, at):
        if not data['reached']:
            return
        self.state = 'visited'
        self._end(at, 'visit')
        if not (data['solved'] and data['satisfied']):
            self.failed_visits += 1
            if self.failed_visits >= 2:
                self.unsatisfied.append(at)
        require(data['failed_visits'] == self.failed_visits, f'{self.id}: failed visits {data["failed_visits"]}')

    def _on_redone(self, data, at):
        self._start('reply', at)
        self._check_due(data)

    def _on_closed(self, data, at):
        self._end(at, 'visit', cancelled=True)
        self.closed_at.append(at)

    def _on_reopened(self, data, at):
        self.failed_visits = 0
        self._start('dispatch', at)

    # -- rungs --

    def rung_reached(self, data):
        clock = self.clocks.get(data['clock_kind'])
        require(clock is not None, f'{self.id}: a rung of a {data["clock_kind"]} clock that never started')
        check_rung(clock, data)
        if data['rung'] in ('yellow', 'red'):
            self.cards.append((clock.kind, clock.term, data['rung']))
        else:
            self.ladder.append((clock.term, data['rung'], data['fired_at']))

    def must_have_fired(self, now):
        """Rungs that are due at `now` and are not in the log."""
        return [(clock, *rung) for clock in self.clocks.values()
                if clock.ended is None and (rung := clock.next_rung()) and rung[1] <= now]


def check_rung(clock, data):
    """A reached rung is the next of its ladder, of an open clock, at its time; then the clock stands on it."""
    expected = clock.next_rung()
    require(clock.ended is None, f'{clock}: {data["rung"]} after it ended')
    require(expected is not None, f'{clock}: {data["rung"]}, where no rung is left')
    require(data['term'] == clock.term, f'{clock}: a rung of term {data["term"]}')
    require((data['rung'], data['due_at']) == expected, f'{clock}: {data["rung"]} due {data["due_at"]}, not {expected}')
    require(data['fired_at'] >= data['due_at'], f'{clock}: {data["rung"]} fired before it was due')
    clock.fire(data['rung'], data['fired_at'])
