"""What becomes of a complaint: a row of commands, drawn from the seed and the complaint's number alone.

Filed late, a complaint is overdue when it comes, so its rungs are reached and its cards raised while things break; nobody
acts on it. One that its caller is not satisfied with twice brings an order at once.
"""
import random
from datetime import datetime, timedelta, timezone

SOURCE = 'test-soak'
HOME, ELSEWHERE = '370102', '370103'
CENTRE, UNIT = 'hotline_3701', 'unit_370102'
LATE_DAYS = (12, 30)        # past all due dates, also over a holiday week

STORIES = {                 # name: (weight, steps)
    'whole': (5, 'file sign contact reply visit close'),
    'short': (3, 'file sign reply close'),
    'open': (3, 'file sign'),
    'silent': (1, 'file'),
    'elsewhere': (1, 'file'),
    'late': (2, 'file'),
    'returned': (2, 'file return dispatch sign reply'),
    'extended': (1, 'file sign extend reply visit close'),
    'unsatisfied': (2, 'file sign reply visit redo reply visit'),
    'reopened': (1, 'file sign reply close reopen dispatch sign reply'),
}
BODIES = {
    'contact': {'reached': True, 'note': '已联系'}, 'reply': {'text': '已处理'}, 'return': {'reason': '不属于本单位职责'},
    'extend': {'working_days': 3, 'reason': '情况复杂'}, 'redo': {'reason': '未解决'}, 'close': {'note': '办结'},
    'reopen': {'reason': '再次出现'}, 'visit': {'reached': True, 'solved': True, 'satisfied': True},
}
BY_CENTRE = ('file', 'dispatch', 'visit', 'redo', 'close', 'reopen')


class Story:
    """A complaint and the commands that are still to come, as a storm wants its tasks."""

    def __init__(self, seed, run, number):
        chance = random.Random(f'{seed}/story/{number}')
        self.name, = chance.choices(list(STORIES), [weight for weight, _ in STORIES.values()])
        self.external_id, self.id = f'{run}-{number}', None
        self.steps = STORIES[self.name][1].split()
        self.late_days = chance.uniform(*LATE_DAYS) if self.name == 'late' else 0.0
        self.body = None

    @property
    def key(self):
        """The key of the next command: an act may come twice in a story."""
        return f'{self.external_id}-{len(self.steps)}-{self.steps[0]}'

    def command(self):
        """(who, body) of the next command."""
        step = self.steps[0]
        if step == 'file':
            self.body = self.body or self._filing()     # what is sent again must be the same
            return CENTRE, self.body
        body = dict(BODIES.get(step, {}))
        if step == 'visit' and self.name == 'unsatisfied':
            body |= {'solved': False, 'satisfied': False}
        return CENTRE if step in BY_CENTRE else UNIT, body

    def _filing(self):
        body = {'source': SOURCE, 'external_id': self.external_id, 'channel': 'phone', 'type': 'complaint',
                'category': '城管执法', 'title': '夜间占道经营', 'text': '路口每晚有摊贩占道。',
                'division': ELSEWHERE if self.name == 'elsewhere' else HOME}
        if self.late_days:
            received = datetime.now(timezone.utc) - timedelta(days=self.late_days)
            body['received_at'] = received.astimezone(timezone(timedelta(hours=8))).isoformat(timespec='milliseconds')
        return body
