"""What becomes of a complaint, an order, a card: each a story, told as a generator of acts and waits.

A story yields an Act and is given its Answer, or yields a moment to wait for. Its choices come from the seed and the
complaint's number alone, so the same seed tells the same stories whatever the timing.
"""
from dataclasses import dataclass
from datetime import date, datetime, time

from model.calendar import CHINA

from cast import body_principal

EARLY, MORNING, AFTERNOON = time(8, 40), time(10, 0), time(15, 0)


@dataclass(frozen=True)
class Act:
    """What somebody does. `refused`: the code of the refusal that must come; '' = it must succeed."""
    who: str
    verb: str
    path: str
    body: dict
    refused: str = ''
    excused: tuple = ()     # refusals that may come, because others act at the same moment


@dataclass(frozen=True)
class Until:
    """Wait for a moment."""
    moment: datetime


@dataclass(frozen=True)
class Reached:
    """Wait until a rung of a clock of the complaint was reached in its present term."""
    clock: str
    rung: str


class Over(Exception):
    """The story ends here: an act came out otherwise than it must."""


class Case:
    """A complaint as its players see it: what the last answer told, and chance of its own."""

    def __init__(self, given, chance, calendar, world):
        self.given, self.chance, self.calendar, self.world = given, chance, calendar, world
        self.key = given.external_id
        self.fate = None
        self.told = {}

    # -- what it is by now --

    @property
    def id(self):
        """The complaint's id."""
        return self.told['id']

    @property
    def unit(self):
        """The unit that has it."""
        return self.told['unit']

    @property
    def about_organ(self):
        """Is it about how an organ acts?"""
        return self.told['about_enforcement']

    def clock(self, kind):
        """A clock as the last answer told it; None where it never started."""
        return next((clock for clock in self.told['clocks'] if clock['kind'] == kind), None)

    def due_on(self, kind):
        """The last day in time of a clock."""
        return date.fromisoformat(self.clock(kind)['due_on'])

    # -- moments --

    @property
    def today(self):
        """The civil day."""
        return self.world.now().date()

    def at(self, day, hour):
        """A moment to wait for, never in the past."""
        return Until(datetime.combine(day, hour, CHINA))

    def working(self, count, day=None):
        """The n-th working day after today, or after another day."""
        return self.calendar.add_working_days(day or self.today, count)

    def soon(self):
        """The next working morning or afternoon."""
        now = self.world.now()
        if self.calendar.works(now.date()) and now.time() < AFTERNOON:
            return self.at(now.date(), MORNING if now.time() < MORNING else AFTERNOON)
        return self.at(self.working(1), MORNING)

    # -- acts --

    def act(self, who, verb, refused='', **body):
        """By the centre or the unit, on the complaint."""
        principal = self.world.centre(self) if who == 'centre' else self.world.unit(self.unit)
        return Act(principal, verb, f'/v1/complaints/{self.id}:{verb}', body, refused)


# ---------------------------------------------------------------------- pieces of a story

def signs(case, late=False):
    """The unit signs, on its day or only after the red card."""
    if late:
        yield Reached('sign', 'red')
        yield case.at(case.today, MORNING)
    else:
        yield case.soon()
    yield case.act('unit', 'sign')


def contacts(case, late=False, missed=0):
    """The unit calls the citizen, some times in vain."""
    if late:
        yield Reached('contact', 'red')
    for _ in range(missed):
        yield case.act('unit', 'contact', reached=False, note='电话无人接听')
        yield case.soon()
    yield case.act('unit', 'contact', reached=True, note='已与诉求人核实情况')


def replies(case, text='经核查，已按规定处理并回访告知。'):
    """The unit answers now."""
    yield case.act('unit', 'reply', text=text, basis='《山东省政务服务热线管理办法》')


def replies_in_time(case):
    """Some days after it was given, but before the yellow card."""
    last = case.working(-2, case.due_on('reply'))
    day = min(max(case.working(case.chance.randint(0, 3)), case.today), max(last, case.today))
    yield case.at(day, AFTERNOON)
    yield from replies(case)


def visits(case, solved=True, satisfied=True, late=False):
    """The centre asks the citizen whether it was solved."""
    if late:
        yield Reached('visit', 'red')
    else:
        yield case.soon()
    if case.chance.random() < 0.15:
        yield case.act('centre', 'visit', reached=False, solved=False, satisfied=False, note='未接通')
        yield case.soon()
    yield case.act('centre', 'visit', reached=True, solved=solved, satisfied=satisfied, note='已电话回访')


def closes(case):
    """The centre closes it."""
    yield case.act('centre', 'close', note='办结归档')


def handled(case):
    """The ordinary beginning."""
    yield from signs(case)
    yield from contacts(case)


def ended(case):
    """The ordinary end."""
    yield from visits(case)
    yield from closes(case)


# ---------------------------------------------------------------------- fates

def in_time(case):
    """按期办结"""
    yield from handled(case)
    yield from replies_in_time(case)
    yield from ended(case)


def last_day(case):
    """黄牌后当日答复"""
    yield from handled(case)
    yield case.at(case.due_on('reply'), AFTERNOON)
    yield from replies(case)
    yield from ended(case)


def extended(case):
    """延期后按期"""
    yield from handled(case)
    yield case.at(case.working(case.chance.randint(1, 3)), MORNING)
    yield case.act('unit', 'extend', working_days=case.chance.randint(2, 5), reason='需现场鉴定')
    yield case.act('unit', 'extend', working_days=1, reason='再次申请', refused='already_extended')
    yield case.at(case.due_on('reply'), MORNING)
    yield from replies(case)
    yield from ended(case)


def extended_late(case):
    """延期后仍逾期"""
    yield from handled(case)
    yield case.at(case.working(2), MORNING)
    yield case.act('unit', 'extend', working_days=3, reason='需多部门会商')
    yield Reached('reply', 'red')
    yield case.at(case.today, AFTERNOON)
    yield from replies(case, '逾期答复，已补办。')
    yield from ended(case)


def after(rung):
    """A reply that comes some working days after a rung."""
    def story(case):
        yield from handled(case)
        yield Reached('reply', rung)
        yield case.at(case.working(case.chance.randint(1, 2)), AFTERNOON)
        yield from replies(case, '经督办，已整改到位。')
        yield from ended(case)
    story.__doc__ = {'red': '红牌后答复', 'l1': '一级督办后答复', 'l2': '二级督办后答复', 'l3': '三级督办后答复',
                     'report': '报告政府后答复'}[rung]
    return story


def never_answered(case):
    """始终不答复"""
    yield from handled(case)


def never_signed(case):
    """始终不签收"""
    yield from ()


def signed_late(case):
    """逾期签收"""
    yield from signs(case, late=True)
    yield from contacts(case)
    yield from replies_in_time(case)
    yield from ended(case)


def hard_to_reach(case):
    """多次联系不上"""
    yield from signs(case)
    if case.chance.random() < 0.5:
        yield from contacts(case, missed=2)
        yield from replies_in_time(case)
    else:
        yield case.act('unit', 'contact', reached=False, note='号码停机')
        yield from replies_in_time(case)
    yield from ended(case)


def contacted_late(case):
    """逾期联系"""
    yield from signs(case)
    yield from contacts(case, late=True)
    yield from replies_in_time(case)
    yield from ended(case)


def returned(case):
    """退单后改派"""
    yield case.soon()
    yield case.act('unit', 'return', reason='不属本单位职责')
    elsewhere = case.world.neighbour(case)
    if case.chance.random() < 0.4:
        yield Reached('dispatch', 'red')
    yield case.act('centre', 'dispatch', **({'unit': elsewhere} if elsewhere else {}))
    yield from in_time(case)


def returned_twice(case):
    """两次退单，共同上级承办"""
    for late in (False, case.chance.random() < 0.5):
        yield case.soon()
        yield case.act('unit', 'return', reason='事权不在本单位')
        if late:
            yield Reached('dispatch', 'red')
        yield case.act('centre', 'dispatch')
    yield case.act('unit', 'return', reason='再退', refused='return_limit')
    yield from in_time(case)


def redone(case):
    """重办一次后满意"""
    yield from handled(case)
    yield from replies_in_time(case)
    yield from visits(case, solved=False, satisfied=False)
    yield case.act('centre', 'redo', reason='问题未解决')
    yield from replies_in_time(case)
    yield from ended(case)


def _twice_unsatisfied(case):
    yield from handled(case)
    yield case.at(case.today, AFTERNOON)
    yield from replies(case)
    yield from visits(case, solved=False, satisfied=False)
    yield case.act('centre', 'redo', reason='问题未解决')
    yield case.soon()
    yield from replies(case, '再次处理。')
    yield from visits(case, solved=True, satisfied=False)


def unsatisfied(case):
    """两次不满意，督办后解决"""
    yield from _twice_unsatisfied(case)
    yield case.act('centre', 'redo', reason='诉求人仍不满意')
    yield case.at(case.working(case.chance.randint(2, 4)), AFTERNOON)
    yield from replies(case, '第三次办理，已当面答复。')
    yield from visits(case, solved=True, satisfied=case.chance.random() < 0.5)
    if not case.told['visit']['satisfied']:
        yield case.act('centre', 'redo', reason='第三次', refused='redo_limit')
    yield from closes(case)


def unsatisfied_ignored(case):
    """两次不满意，督办单逐级升级"""
    yield from _twice_unsatisfied(case)


def visited_late(case):
    """逾期回访"""
    yield from handled(case)
    yield from replies_in_time(case)
    yield from visits(case, late=True)
    yield from closes(case)


def closed_unvisited(case):
    """答复后直接办结"""
    yield from handled(case)
    yield from replies_in_time(case)
    yield case.at(case.today, AFTERNOON)
    yield from closes(case)


def reopened(case):
    """办结后重新受理"""
    yield from in_time(case)
    yield case.at(case.working(2), MORNING)
    yield case.act('centre', 'reopen', reason='诉求人补充新情况')
    yield case.act('centre', 'dispatch')
    yield from in_time(case)


FATES = (
    (38, in_time), (9, last_day), (5, extended), (2, extended_late), (7, after('red')), (4, after('l1')),
    (3, after('l2')), (2, after('l3')), (1, after('report')), (4, never_answered), (2, never_signed), (4, signed_late),
    (3, hard_to_reach), (3, contacted_late), (3, returned), (2, returned_twice), (3, redone), (2, unsatisfied),
    (2, unsatisfied_ignored), (2, visited_late), (2, closed_unvisited), (2, reopened),
)


def draw_fates(count, chance):
    """So many fates: each in its share, every one at least once where there are enough complaints, in a drawn order."""
    if count < len(FATES):
        return chance.choices([fate for _, fate in FATES], [weight for weight, _ in FATES], k=count)
    total = sum(weight for weight, _ in FATES)
    drawn = [fate for weight, fate in FATES for _ in range(max(1, count * weight // total))]
    drawn += [in_time] * (count - len(drawn))
    del drawn[count:]
    chance.shuffle(drawn)
    return drawn


# ---------------------------------------------------------------------- those who watch, and those who are told

def acknowledged(case, card, chance):
    """The supervisor of the card's level sees it, in the same hour or the next day."""
    yield case.soon() if chance.random() < 0.7 else case.at(case.working(1), MORNING)
    if case.world.is_open_card(card['card_id']):
        yield Act(body_principal(card['division'], card['level']), 'acknowledge',
                  f'/v1/cards/{card["card_id"]}:acknowledge', {}, excused=('state_forbids',))


def ordered(case, order, chance):
    """The unit signs and answers the order, or does not; its body closes some with a verdict."""
    path, unit = f'/v1/orders/{order["order_id"]}', case.world.unit(order['unit'])
    fate = chance.choices(('silent', 'answers', 'verdict'), (4, 4, 2))[0]
    if fate == 'silent':
        return
    yield case.soon()
    yield Act(unit, 'order sign', f'{path}:sign', {}, excused=('state_forbids',))
    yield case.at(case.working(chance.randint(1, 2)), MORNING)
    yield Act(unit, 'order reply', f'{path}:reply', {'text': '已责成承办人限期办理。'}, excused=('state_forbids',))
    if fate == 'verdict':
        yield case.at(case.working(1), AFTERNOON)
        yield Act(body_principal(order['division'], order['level']), 'order close', f'{path}:close',
                  {'verdict': '已核查，督办事项办结。'}, excused=('state_forbids',))
