"""The desk reads both logs whole, as an operator may: what stories wait for, and what is reconciled in the end."""
from model.clocks import Facts
from model.owners import contains
from model.reconcile import Event

LIMIT = 1000
STREAMS = ('complaints', 'supervision')


class Desk:
    """Both logs from their first event, read on whenever it looks."""

    def __init__(self, api, token, local_token):
        self.api, self.token, self.local_token = api, token, local_token
        self.facts = Facts()
        self.logs = {stream: [] for stream in STREAMS}
        self.raw = {stream: [] for stream in STREAMS}   # as they were told
        self.open_cards = set()
        self.climbing = {}              # orders whose own clock runs: the complaint's id
        self._cursors = dict.fromkeys(STREAMS)
        self._places = {}               # where each matter is
        self._left = ''                 # the division that the newest event took its matter from
        self._reached = {}              # (complaint id, clock): (term, rungs)

    def look(self):
        """What is new in both, in the order of each log."""
        fresh = []
        for stream in STREAMS:
            fresh += self._read_on(stream)
        for event in fresh:
            self._note(event)
        return fresh

    def _read_on(self, stream):
        told, at = [], self.head(stream)
        while True:
            answer = self._pull(self.token, stream, self._cursors[stream], LIMIT)
            told += answer['events']
            if answer['through'] == self._cursors[stream]:
                break
            self._cursors[stream] = answer['through']
        whole = []
        for one in told:
            whole += self._withheld(stream, at + 1, int(one['position']))
            whole.append(one)
            at = int(one['position'])
            self._follow(one)
        whole += self._withheld(stream, at + 1, self.head(stream) + 1)
        self.raw[stream] += whole
        fresh = [Event.from_cloudevent(one) for one in whole]
        self.logs[stream] += fresh
        return fresh

    def _pull(self, token, stream, after, limit):
        answer = self.api.get(token, '/v1/events', stream=stream, after=after, limit=limit)
        if answer.status != 200:
            raise RuntimeError(f'the log of {stream} cannot be read: {answer}')
        return answer.body

    def _follow(self, told):
        """Where the newest event's matter was before it, if it has just left that division."""
        self._left = ''
        if told['type'] == 'complaint.moved_out.v1':
            return
        division = told['data'].get('division', '')
        before = self._places.get(told['subject'], division)
        self._left = '' if contains(before, division) else before
        self._places[told['subject']] = division

    def _withheld(self, stream, begin, end):
        """Who sees where a matter went is not told that it left; the supervisor of the division that it left is."""
        found = []
        for position in range(begin, end):
            if not self._left:
                break                   # a gap: the model will find it
            told = self._pull(self.local_token(self._left), stream, self._cursor(stream, position - 1), 1)['events']
            found += [one for one in told if int(one['position']) == position]
            self._left = ''
        return found

    def _cursor(self, stream, position):
        return f'{self._cursors[stream].rpartition(":")[0]}:{position}' if position else None

    def head(self, stream):
        """How far the log has been read."""
        return int(self._cursors[stream].rpartition(':')[2]) if self._cursors[stream] else 0

    def _note(self, event):
        data = event.data
        match event.type:
            case 'clock.rung_reached.v1' if data['clock_kind'] != 'order':
                term, rungs = self._reached.get((event.subject, data['clock_kind']), (0, set()))
                if term != data['term']:
                    term, rungs = data['term'], set()
                rungs.add(data['rung'])
                self._reached[event.subject, data['clock_kind']] = term, rungs
            case 'card.raised.v1':
                self.open_cards.add(data['card_id'])
            case 'card.closed.v1':
                self.open_cards.discard(data['card_id'])
            case 'order.issued.v1' if data['trigger'] != 'overdue':
                self.climbing[data['order_id']] = data['subject']
            case 'order.escalated.v1' | 'order.closed.v1' | 'order.reported.v1':
                self.climbing.pop(data['order_id'], None)
            case 'complaint.replied.v1':
                self.climbing = {order: case for order, case in self.climbing.items() if case != event.subject}

    def has_reached(self, case, clock, rung):
        """Was the rung reached in the clock's present term?"""
        term, rungs = self._reached.get((case.id, clock), (0, ()))
        now = case.clock(clock)
        return now is not None and term == now['term'] and rung in rungs

    def unfinished(self, cases):
        """Is a ladder left that goes on by itself?"""
        if self.climbing:
            return True
        for case in cases.values():
            reply = case.clock('reply')
            if not reply['ended_at'] and not self.has_reached(case, 'reply', 'report'):
                return True
        return False
