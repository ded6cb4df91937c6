"""The play: complaints are filed, then civil time is moved from moment to moment and each story told that is due.

At each stop: time is advanced and everything settles (rungs, cards, orders); the desk reads what both logs tell; those
who watch act first (cards, orders), then units and centres. Before the next advance everything settles again, so that
no act is still on its way when time moves.
"""
import concurrent.futures
import heapq
import itertools
import random
import threading
import time
from collections import Counter
from datetime import datetime, timedelta

from model.calendar import CHINA, ONE_DAY
from model.owners import level_of

from cast import body_principal, centre_id, home, source, unit_principal
from desk import Desk
from show import day_text
from stories import EARLY, Act, Case, Over, Reached, Until, acknowledged, draw_fates, ordered

WORKERS = 24
FIRST, SECOND = 0, 1            # who acts first at a stop: those who watch, then units and centres
SHARE_OF_CARDS_SEEN = {'yellow': 0.4, 'red': 0.8}
SETTLE_TRIES = 5


class Play:
    """One performance."""

    def __init__(self, api, stage, show, owners, seed, round_tag):
        self.api, self.stage, self.show, self.owners = api, stage, show, owners
        self.seed, self.round = seed, round_tag
        self.desk = Desk(api, stage.token('operator'),
                         lambda division: stage.token(body_principal(division, level_of(division))))
        self.pool = concurrent.futures.ThreadPoolExecutor(WORKERS, thread_name_prefix='player')
        self.cases = {}                 # complaint id: Case
        self.acts = Counter()
        self.today = Counter()
        self.refusals = Counter()       # those that had to come, by code
        self.excused = 0
        self.faults = []
        self.not_received = 0           # filed without received_at: it would lie in the future
        self.over_zeromq = 0
        self._civil = (datetime.now(CHINA), time.monotonic())
        self._agenda = []               # (moment, order, group, case, story)
        self._waiting = {}              # (complaint id, clock, rung): [(case, story)]
        self._order = itertools.count()
        self._counting = threading.Lock()
        self._acted = True
        self._ready = {FIRST: [], SECOND: []}

    # ------------------------------------------------------------------ the world that stories see

    def now(self):
        """Civil time."""
        civil, at = self._civil
        return civil + timedelta(seconds=time.monotonic() - at)

    def centre(self, case):
        """The centre that filed a complaint."""
        return centre_id(case.given.city)

    def unit(self, code):
        """Who acts for a unit."""
        return unit_principal(code)

    def is_open_card(self, card_id):
        """Had nothing closed the card when the desk last looked?"""
        return card_id in self.desk.open_cards

    def neighbour(self, case):
        """A unit of the same kind in another county of the city: where a returned matter may belong. None for some."""
        division = home(case.unit)
        if len(division) != 6 or case.about_organ:
            return None
        key = case.unit.partition('-')[2]
        others = [unit for unit in self.owners.units
                  if unit.endswith(f'-{key}') and len(home(unit)) == 6 and home(unit)[:4] == division[:4]
                  and home(unit) != division]
        return case.chance.choice(sorted(others)) if others else None

    # ------------------------------------------------------------------ filing

    def file_all(self, given, doors, zeromq_city):
        """File everything, a bar moving; over ZeroMQ for one city, where doors are given."""
        chance = random.Random(f'{self.seed}/fates')
        fates = draw_fates(len(given), chance)
        begun, done = time.monotonic(), 0
        cases = []
        for one, fate in zip(given, fates):
            case = Case(one, random.Random(f'{self.seed}/{one.external_id}'), self.calendar, self)
            case.fate = fate
            cases.append(case)
        by_zeromq = [case for case in cases if doors and case.given.city == zeromq_city]
        by_http = [case for case in cases if not doors or case.given.city != zeromq_city]
        jobs = [self.pool.submit(self._file, case) for case in by_http]
        if by_zeromq:
            jobs.append(self.pool.submit(self._file_over_zeromq, by_zeromq, doors))
        for job in concurrent.futures.as_completed(jobs):
            done += job.result()
            self.show.progress('受理', done, len(cases), begun)
        self.show.status_end()
        for case in cases:
            if case.told:
                self.cases[case.id] = case
                self._resume(SECOND, case, case.fate(case))
        return time.monotonic() - begun

    def _request(self, case):
        given = case.given
        request = {'source': source(given.city, self.round), 'external_id': given.external_id, 'channel': given.channel,
                   'type': given.type, 'title': given.title, 'text': given.text, 'division': given.division,
                   'urgency': given.urgency, 'about_enforcement': given.about_enforcement}
        if given.created_at <= self.now():
            request['received_at'] = given.created_at.isoformat()
        else:
            with self._counting:
                self.not_received += 1
        if given.category:
            request['category'] = given.category
        if given.caller_name or given.caller_phone:
            request['caller'] = {'name': given.caller_name, 'phone': given.caller_phone,
                                 'confidential': case.chance.random() < 0.3, 'wants_reply': True}
        return request

    def _file(self, case):
        answer = self.api.post(self.stage.token(self.centre(case)), '/v1/complaints', self._request(case),
                               f'{self.round}-{case.key}-file')
        if answer.status == 201 or (answer.status == 200 and answer.replayed):
            case.told = answer.body
        else:
            self._fault(f'{case.key}: file: {answer}')
        return 1

    def _file_over_zeromq(self, cases, doors):
        door = doors.open('complaints', self.stage.credentials(self.centre(cases[0])))
        try:
            for case in cases:
                try:
                    filed = doors.file(door, self._request(case), f'{self.round}-{case.key}-file')
                    case.told = self.api.get(self.stage.token(self.centre(case)), f'/v1/complaints/{filed}').body
                    self.over_zeromq += 1
                except (doors.refused, TimeoutError) as error:
                    self._fault(f'{case.key}: file over ZeroMQ: {error}')
        finally:
            door.close()
        return len(cases)

    # ------------------------------------------------------------------ time

    @property
    def calendar(self):
        """Everybody has one on the wall."""
        return self.desk.facts.calendar

    def advance(self, moment=None):
        """Move civil time to a moment (or not at all) and return once everything has settled."""
        seconds = max(0, int((moment - self.now()).total_seconds()) + 1) if moment else 0
        body = {'seconds': seconds}
        for _ in range(SETTLE_TRIES):
            answer = self.api.advance(self.stage.token('operator'), body)
            if answer.status == 200:
                self._civil = (datetime.fromisoformat(answer.body['civil_time']), time.monotonic())
                if int(answer.body.get('clocks_failing', 0)):
                    self._fault(f'time:advance: {answer.body["clocks_failing"]} clocks fail')
                return
            if answer.status == 504:
                body = {'seconds': 0}   # it was advanced, and had not settled: wait for that
            elif answer.status != 503:  # 503: it was not executed
                break
        raise RuntimeError(f'time:advance: {answer}')

    def run(self, working_days):
        """From the filing over so many working days, or until nothing is left to happen."""
        horizon = self.calendar.add_working_days(self.now().date(), working_days)
        self._tell_ready()
        while True:
            if self._acted:             # what was done may still be on its way
                self._acted = False
                self.advance()
                self._look()
            tomorrow = datetime.combine(self.now().date() + ONE_DAY, EARLY, CHINA)
            moment = min(self._agenda[0][0], tomorrow) if self._agenda else tomorrow
            if moment.date() > horizon or self._all_is_told():
                break
            if moment.date() > self.now().date():
                self._end_day()
            self.advance(moment)
            self._look()
            self._take_due()
            self._tell_ready()
        self._end_day()
        self.pool.shutdown()

    def _all_is_told(self):
        """Nothing is planned, nobody waits, and no ladder is left to be climbed."""
        return not self._agenda and not any(self._waiting.values()) and not self.desk.unfinished(self.cases)

    def _end_day(self):
        self.show.status_end()
        if self.today:
            self.show.line(f'  {self.show.colour("bold", day_text(self.now()))}  {self._day_in_numbers()}')
        self.today.clear()
        self.show.new_day()

    # ------------------------------------------------------------------ stories

    def _resume(self, group, case, story):
        self._ready[group].append((case, story))

    def _take_due(self):
        while self._agenda and self._agenda[0][0] <= self.now():
            _, _, group, case, story = heapq.heappop(self._agenda)
            self._resume(group, case, story)

    def _tell_ready(self):
        """Let everybody act who is due, those who watch first."""
        while any(self._ready.values()):
            group = FIRST if self._ready[FIRST] else SECOND
            ready, self._ready[group] = self._ready[group], []
            told = self.pool.map(lambda pair: self._tell(*pair), ready)
            for (case, story), wait in zip(ready, told):
                self._plan(group, case, story, wait)

    def _plan(self, group, case, story, wait):
        if isinstance(wait, Until):
            heapq.heappush(self._agenda, (wait.moment, next(self._order), group, case, story))
        elif isinstance(wait, Reached):
            if self.desk.has_reached(case, wait.clock, wait.rung):
                self._resume(group, case, story)
            else:
                self._waiting.setdefault((case.id, wait.clock, wait.rung), []).append((group, case, story))

    def _tell(self, case, story):
        """Acts of a story until it waits; what it waits for, or None at its end."""
        answer = None
        try:
            while True:
                step = story.send(answer)
                if not isinstance(step, Act):
                    if isinstance(step, Until) and step.moment <= self.now():
                        answer = None
                        continue
                    return step
                answer = self._do(case, step)
        except StopIteration:
            return None
        except Over:
            return None
        except Exception as error:
            self._fault(f'{case.key}: {type(error).__name__}: {error}')
            return None

    def _do(self, case, act):
        with self._counting:
            number = next(self._order)
            self._acted = True
        answer = self.api.post(self.stage.token(act.who), act.path, act.body, f'{self.round}-{number}')
        if act.refused:
            if (answer.status, answer.code) != (409, act.refused):
                self._fault(f'{case.key}: {act.verb} by {act.who}: {answer}, where {act.refused} was to be refused')
                raise Over
            with self._counting:
                self.refusals[act.refused] += 1
            return answer
        if answer.status == 409 and answer.code in act.excused:
            with self._counting:
                self.excused += 1
            raise Over
        if answer.status != 200:
            self._fault(f'{case.key}: {act.verb} by {act.who}: {answer}')
            raise Over
        if act.path.startswith('/v1/complaints/'):
            case.told = answer.body
        with self._counting:
            self.acts[act.verb] += 1
            self.today[VERBS[act.verb]] += 1
        return answer

    def _fault(self, text):
        with self._counting:
            self.faults.append(text)

    # ------------------------------------------------------------------ what the desk read

    def _look(self):
        """What both logs tell since the last look: rungs wake stories, cards and orders begin their own."""
        for event in self.desk.look():
            thing, kind, _ = event.type.split('.')
            case = self.cases.get(event.data.get('subject') or event.subject)
            if case is None:
                continue            # of an earlier play on the same cluster
            if kind == 'rung_reached' and event.data['clock_kind'] != 'order':
                for group, one, story in self._waiting.pop((case.id, event.data['clock_kind'], event.data['rung']), ()):
                    self._resume(group, one, story)
            elif kind == 'raised':
                self._raised(case, event.data)
            elif kind == 'issued':
                chance = random.Random(f'{self.seed}/{case.key}/order/{event.data["trigger"]}/{event.data["level"]}')
                self._resume(FIRST, case, ordered(case, event.data, chance))
            name = HAPPENED.get((thing, kind))
            if name:
                self.today[name if isinstance(name, str) else name[event.data['color']]] += 1
        self.show.status(f'  {day_text(self.now())} {self.now():%H:%M}   {self._day_in_numbers(coloured=False)}')

    def _day_in_numbers(self, coloured=True):
        """What was done and what happened, always in the same order."""
        told = []
        for name in (*VERBS.values(), *IN_COLOUR):
            if self.today[name]:
                text = f'{name} {self.today[name]:,}'
                told.append(self.show.colour(IN_COLOUR[name], text) if coloured and name in IN_COLOUR else text)
        return '  '.join(told)

    def _raised(self, case, card):
        chance = random.Random(f'{self.seed}/{case.key}/{card["clock_kind"]}/{card["term"]}/{card["color"]}')
        if chance.random() < SHARE_OF_CARDS_SEEN[card['color']]:
            self._resume(FIRST, case, acknowledged(case, card, chance))


VERBS = {'sign': '签收', 'return': '退单', 'dispatch': '派单', 'contact': '联系', 'extend': '延期', 'reply': '答复',
         'visit': '回访', 'redo': '重办', 'close': '办结', 'reopen': '重新受理', 'acknowledge': '阅牌',
         'order sign': '督办签收', 'order reply': '督办回复', 'order close': '督办办结'}
HAPPENED = {('card', 'raised'): {'yellow': '黄牌', 'red': '红牌'}, ('order', 'issued'): '督办单',
            ('order', 'reported'): '报告政府'}
IN_COLOUR = {'黄牌': 'yellow_text', '红牌': 'red_text', '督办单': 'order_text', '报告政府': 'red_text'}
