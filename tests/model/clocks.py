"""One clock: its terms and the rungs of its ladder, checked against what a log tells as it tells it."""
from .calendar import ONE_DAY, Calendar, local, midnight, rows

RUNGS = ('yellow', 'red', 'l1', 'l2', 'l3', 'report')


class Mismatch(AssertionError):
    """What a log tells is not what the model says."""


def require(condition, text):
    """`text` is a fault unless the condition holds; it may be a callable, so that it costs nothing where all is well."""
    if not condition:
        raise Mismatch(text() if callable(text) else text)


def shown(instant):
    """An instant for people; None = never."""
    return f'{local(instant):%F %T}' if instant else 'never'


class Facts:
    """Terms and ladders in force; the seed has one version of each."""

    def __init__(self, folder=None):
        read = (lambda name: rows(name, folder)) if folder else rows
        self.calendar = Calendar(folder) if folder else Calendar()
        self.terms = {row['kind']: (int(row['count']), row['unit']) for row in read('deadline_rules')}
        self.ladders = {}
        for row in sorted(read('ladder_rules'), key=lambda row: RUNGS.index(row['rung'])):
            rung = (row['rung'], row['anchor'], int(row['count'] or 0), row['unit'])
            self.ladders.setdefault(row['kind'], []).append(rung)


class Clock:
    """`rule` is the term's kind: a clock of kind `order` runs by order_county, order_city, order_province.

    `last_rung`: where another clock has left the ladder; it counts as fired at the start.
    """

    def __init__(self, facts, kind, rule, started, last_rung=None):
        self.facts, self.kind, self.rule = facts, kind, rule
        self.term = 0
        self.until = None       # it stops by then, for a reason that its own log does not tell
        self.start(started)
        if last_rung:
            self.last_rung, self.last_fired = last_rung, started

    def start(self, started):
        """Opens the next term, with the full count."""
        self.started = started
        self.due_at, self.due_on, self.provisional = self.facts.calendar.due(started, *self.facts.terms[self.rule])
        self._open_term()

    def extend(self, working_days):
        """Opens the next term: so many working days after the old last day, started as before."""
        calendar, old = self.facts.calendar, self.due_on
        self.due_on = calendar.add_working_days(old, working_days)
        self.due_at = midnight(self.due_on + ONE_DAY)
        self.provisional = self.provisional or calendar.unknown_between(old, self.due_on)
        self._open_term()

    def recompute(self, old_due_at, new_due_at, provisional, decided=False):
        """A notice came: what was counted over days that nobody had announced moves, its term is kept; what was announced
        moves by an operator's decision alone."""
        require(self.provisional or decided, lambda: f'{self}: recomputed, was not provisional')
        require(old_due_at == self.due_at, lambda: f'{self}: recomputed from {shown(old_due_at)}')
        self.due_at, self.due_on = new_due_at, local(new_due_at).date() - ONE_DAY
        self.provisional = provisional

    def _open_term(self):
        self.term += 1
        self.ended = None
        self.cancelled = False
        self.last_rung = None
        self.last_fired = None

    @property
    def is_open(self):
        """Has nothing ended this term yet?"""
        return self.ended is None

    def end(self, at, cancelled=False):
        """The act came, or the clock is needed no more; nothing where it has ended before."""
        if self.ended is None:
            self.ended, self.cancelled = at, cancelled

    def state(self, now):
        """Late from due_at on, whatever comes after; a return is a right, which lapses."""
        if self.ended is not None and self.ended < self.due_at:
            return 'cancelled' if self.cancelled else 'met'
        if self.ended is None and now < self.due_at:
            return 'running'
        return 'cancelled' if self.kind == 'return' else 'late'

    def next_rung(self):
        """(rung, due) of what is reached next while the clock is open; None = nothing."""
        ladder = self.facts.ladders.get(self.kind, ())
        done = 0 if self.last_rung is None else RUNGS.index(self.last_rung) + 1
        for rung, anchor, count, unit in ladder:
            if RUNGS.index(rung) < done:
                continue
            due = self._rung_due(anchor, count, unit)
            if due > self.started:  # else it would warn of nothing: not armed
                return rung, due
        return None

    def _rung_due(self, anchor, count, unit):
        calendar = self.facts.calendar
        if anchor == 'working_days_before_due_on':
            return midnight(calendar.add_working_days(self.due_on, -count))
        if anchor == 'first_working_day_after_due_on':
            return midnight(calendar.add_working_days(self.due_on, 1))
        if anchor == 'hours_before_due_at':
            return self.due_at - ONE_DAY * count / 24
        if anchor == 'at_due_at':
            return self.due_at
        if anchor == 'term_after_previous':
            return calendar.due(self.last_fired or self.due_at, count, unit).at
        raise ValueError(f'unknown anchor {anchor}')

    def missed_rung(self, by):
        """(rung, due) of what should have been reached by then and was not, while the clock was open."""
        until = min(moment for moment in (by, self.ended, self.until) if moment is not None)
        rung = self.next_rung()
        return rung if rung and rung[1] <= until else None

    def reach(self, data):
        """A rung was reached: it is the next of this clock's ladder, in this term, while it is open, at its time."""
        rung = data['rung']
        require(data['term'] == self.term, lambda: f'{self}: {rung} of term {data["term"]}')
        require(self.is_open and (self.until is None or data['fired_at'] <= self.until),
                lambda: f'{self}: {rung} at {shown(data["fired_at"])}, after it had ended at '
                f'{shown(self.ended or self.until)}')
        expected = self.next_rung()
        require(expected is not None, lambda: f'{self}: {rung}, where no rung is left')
        require((rung, data['due_at']) == expected, lambda: f'{self}: {rung} due {shown(data["due_at"])}, '
                f'not {expected[0]} due {shown(expected[1])}')
        require(data['fired_at'] >= data['due_at'], lambda: f'{self}: {rung} reached at {shown(data["fired_at"])}, '
                f'before it was due at {shown(data["due_at"])}')
        self.last_rung, self.last_fired = rung, data['fired_at']
        self._check_outlook(data)

    def _check_outlook(self, data):
        """What a reached rung tells of the clock and of the next rung."""
        require(data['clock_due_at'] == self.due_at,
                lambda: f'{self}: {data["rung"]} tells due {shown(data["clock_due_at"])}')
        after = self.next_rung()
        require((data['next_due_at'] or None) == (after and after[1]),
                lambda: f'{self}: after {data["rung"]} the next is told for {shown(data["next_due_at"])}, '
                f'not {shown(after and after[1])}')

    def __repr__(self):
        return f'{self.kind} clock, term {self.term}, {shown(self.started)} to {shown(self.due_at)}'
