"""One clock: its terms and the rungs of its ladder, checked against what a log tells as it tells it."""
from datetime import timedelta

from .calendar import ONE_DAY, local, midnight, rows

RUNGS = ('yellow', 'red', 'l1', 'l2', 'l3', 'report')


class Facts:
    """Terms and ladders in force; the seed has one version of each."""

    def __init__(self, calendar, folder=None):
        read = (lambda name: rows(name, folder)) if folder else rows
        self.calendar = calendar
        self.terms = {row['kind']: (int(row['count']), row['unit']) for row in read('deadline_rules')}
        self.ladders = {}
        for row in sorted(read('ladder_rules'), key=lambda row: RUNGS.index(row['rung'])):
            rung = (row['rung'], row['anchor'], int(row['count'] or 0), row['unit'])
            self.ladders.setdefault(row['kind'], []).append(rung)


class Clock:
    """`rule` is the term's kind: a clock of kind `order` runs by order_county, order_city, order_province."""

    def __init__(self, facts, kind, rule, started):
        self.facts, self.kind, self.rule = facts, kind, rule
        self.term = 0
        self.start(started)

    def start(self, started):
        """Opens the next term, with the full count."""
        self.started = started
        self.due_at, self.due_on = self.facts.calendar.due(started, *self.facts.terms[self.rule])
        self._open_term()

    def extend(self, working_days):
        self.due_on = self.facts.calendar.add_working_days(self.due_on, working_days)
        self.due_at = midnight(self.due_on + ONE_DAY)
        self._open_term()

    def _open_term(self):
        self.term += 1
        self.ended = None
        self.cancelled = False
        self.last_rung = None
        self.last_fired = None

    def end(self, at, cancelled=False):
        if self.ended is None:
            self.ended, self.cancelled = at, cancelled

    def state(self, now):
        """As decisions on clocks have it: late from due_at on, whatever comes after."""
        until = self.ended or now
        if self.ended is not None and until < self.due_at:
            return 'cancelled' if self.cancelled else 'met'
        if self.kind == 'return' and now >= self.due_at:
            return 'cancelled'  # a right that lapsed
        return 'late' if until >= self.due_at else 'running'

    def next_rung(self):
        """(rung, due) of what fires next while the clock is open; None = nothing."""
        ladder = self.facts.ladders.get(self.kind, [])
        past = self.last_rung is None
        for rung, anchor, count, unit in ladder:
            if not past:
                past = rung == self.last_rung
                continue
            due = self._rung_due(anchor, count, unit)
            if due is not None and due > self.started:
                return rung, due
        return None

    def _rung_due(self, anchor, count, unit):
        calendar = self.facts.calendar
        if anchor == 'working_days_before_due_on':
            return midnight(calendar.add_working_days(self.due_on, -count))
        if anchor == 'first_working_day_after_due_on':
            return midnight(calendar.add_working_days(self.due_on, 1))
        if anchor == 'hours_before_due_at':
            return self.due_at - timedelta(hours=count)
        if anchor == 'at_due_at':
            return self.due_at
        if anchor == 'term_after_previous':
            return None if self.last_fired is None else calendar.due(self.last_fired, count, unit)[0]
        raise ValueError(f'unknown anchor {anchor}')

    def fire(self, rung, fired_at):
        self.last_rung, self.last_fired = rung, fired_at

    def __repr__(self):
        return f'{self.kind} clock, term {self.term}, {local(self.started):%F %T} to {local(self.due_at):%F %T}'
