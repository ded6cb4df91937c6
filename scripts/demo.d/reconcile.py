"""The closing account: what the system holds and told, against what was posted, the model, and each one's scope."""
import collections
import json
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from model.reconcile import Reconciliation

from cast import centre_id, source
from secrecy import Phones, in_databases, in_files

PROMPT = timedelta(seconds=5)
PAGE = 200
WATCH_S = 25.0              # a watcher hears how far he is every 10 s at least
EXAMPLES = 3


@dataclass
class Line:
    """A line of the account: what the system has, what it must have."""
    chinese: str
    english: str
    has: str
    must: str
    good: bool
    faults: list = field(default_factory=list)


class Account:
    """All checks of one play; `lines` is the table."""

    def __init__(self, play, given, watchers, now):
        self.play, self.given, self.watchers, self.now = play, given, watchers, now
        self.api, self.stage, self.desk = play.api, play.stage, play.desk
        self.complaints, self.supervision = (self.desk.logs[stream] for stream in ('complaints', 'supervision'))
        self.model = Reconciliation(importers=('test-', 'jinan-12345'), prompt=PROMPT)
        self.lines = []

    def check(self):
        """Every line; True if all is well."""
        model_faults = self._read_model()
        stored = self._stored()
        self._intake(stored)
        self._states(stored)
        self._log(model_faults)
        self._cards()
        self._orders()
        self._watchers()
        self._phones()
        self._play()
        return all(line.good for line in self.lines)

    def _add(self, chinese, english, has, must, faults=(), good=None):
        def shown(value):
            return f'{value:,}' if isinstance(value, int) else str(value)
        faults = list(faults)
        if good is None:
            good = has == must and not faults
        self.lines.append(Line(chinese, english, shown(has), shown(must), good, faults))

    # ------------------------------------------------------------------ the model

    def _read_model(self):
        mine = self.play.cases
        faults = self.model.read(self.complaints, self.supervision, self.now)
        self.matters = {key: matter for key, matter in self.model.matters.items() if key in mine}
        return faults

    def _log(self, model_faults):
        """Both logs, event by event."""
        events = len(self.complaints) + len(self.supervision)
        self._add('事件逐条核对', 'events, each as the acts call for', events, events - len(model_faults), model_faults)
        rungs = sum(event.type == 'clock.rung_reached.v1' for event in self.complaints + self.supervision)
        self._add('时限台阶', 'rungs reached, each once', rungs, self.model.rungs)

    # ------------------------------------------------------------------ complaints

    def _stored(self):
        """Everything that the centres find under the sources of this run: {external id: complaint}."""
        stored = {}
        for city in sorted({one.city for one in self.given}):
            for complaint in self._pages(centre_id(city), '/v1/complaints', 'complaints',
                                         source=source(city, self.play.round)):
                stored.setdefault(complaint['external_id'], []).append(complaint)
        return stored

    def _pages(self, principal, path, what, **query):
        token, page = self.stage.token(principal), None
        while page != '':
            answer = self.api.get(token, path, page_size=PAGE, page_token=page, **query)
            if answer.status != 200:
                raise RuntimeError(f'{path}: {answer}')
            yield from answer.body[what]
            page = answer.body['next_page_token']

    def _intake(self, stored):
        faults = []
        posted = {one.external_id: one for one in self.given}
        for number, one in posted.items():
            found = stored.get(number, [])
            if len(found) != 1:
                faults.append(f'{number}: 存储 {len(found)} 份')
            elif (found[0]['title'], found[0]['text'], found[0]['type']) != (one.title, one.text, one.type):
                faults.append(f'{number}: 内容与投递不一致')
        faults += [f'{number}: 未投递而存在' for number in stored if number not in posted]
        self._add('投递 → 存储', 'posted = stored', len(stored), len(posted), faults)
        filed = [event for event in self.complaints if event.type == 'complaint.filed.v1'
                 and event.subject in self.play.cases]
        self._add('投递 → 入日志', 'posted = in the log', len(filed), len(posted))
        routed = sum(event.data['unit'] == self._owner(event) for event in filed)
        faults = [f'{event.subject}: 派 {event.data["unit"]}，应为 {self._owner(event)}' for event in filed
                  if event.data['unit'] != self._owner(event)]
        self._add('派单单位正确', 'routed to the responsible unit', routed, len(posted), faults)

    def _owner(self, event):
        data = event.data
        return self.model.owners.owner(data['division'], data['category'], data['about_enforcement'])[0]

    def _states(self, stored):
        """State, version and every clock of each complaint, as the API tells them, against the model."""
        faults = []
        for found in stored.values():
            matter = self.matters.get(found[0]['id'])
            if matter is None:
                continue
            told = {name: found[0][name] for name in ('state', 'unit', 'division')} | {
                'version': int(found[0]['version'])}
            must = {'state': matter.state, 'unit': matter.unit, 'division': matter.division, 'version': matter.version}
            faults += [f'{matter.id}: {name} {told[name]}，应为 {must[name]}' for name in told if told[name] != must[name]]
            faults += self._clock_faults(matter, found[0]['clocks'])
        clocks = sum(len(found[0]['clocks']) for found in stored.values())
        self._add('时限（起止、状态）', 'clocks: term, dates, state', clocks,
                  sum(len(matter.clocks) for matter in self.matters.values()), faults)

    def _clock_faults(self, matter, told):
        if sorted(clock['kind'] for clock in told) != sorted(matter.clocks):
            return [f'{matter.id}: 时限 {[clock["kind"] for clock in told]}']
        faults = []
        for clock in told:
            must = matter.clocks[clock['kind']]
            has = (clock['term'], datetime.fromisoformat(clock['started_at']), datetime.fromisoformat(clock['due_at']),
                   clock['due_on'], clock['provisional'], clock['state'])
            wants = (must.term, must.started, must.due_at, must.due_on.isoformat(), must.provisional,
                     must.state(self.now))
            if has != wants:
                faults.append(f'{matter.id}: {clock["kind"]} {has}，应为 {wants}')
        return faults

    # ------------------------------------------------------------------ cards and orders, as the API lists them

    def _cards(self):
        listed = collections.Counter()
        for card in self._pages('supervisor_37', '/v1/cards', 'cards'):
            listed[card['subject'], card['clock_kind'], card['term'], card['color'], card['state'] == 'closed'] += 1
        must = {(matter.id, *key, card.closed): key[2] for matter in self.model.matters.values()
                for key, card in matter.cards.items()}
        for colour, chinese in (('yellow', '黄牌'), ('red', '红牌')):
            has = collections.Counter({key: number for key, number in listed.items() if key[3] == colour})
            wants = {key for key, of in must.items() if of == colour}
            self._add(chinese, f'{colour} cards, each once', sum(has.values()), len(wants), self._differences(has, wants))

    @staticmethod
    def _differences(has, wants):
        faults = [f'{key}: {number} 次' for key, number in has.items() if number > 1]
        faults += [f'{key}: 不应有' for key in has if key not in wants]
        return faults + [f'{key}: 缺' for key in wants if key not in has]

    def _orders(self):
        listed = list(self._pages('supervisor_37', '/v1/orders', 'orders'))
        orders = {order.id: order for orders in self.model.orders.values() for order in orders.by_id.values()}
        for level, chinese in (('county', '县级督办单'), ('city', '市级督办单'), ('province', '省级督办单')):
            has = collections.Counter((order['id'], order['state'], order['trigger']) for order in listed
                                      if order['level'] == level)
            wants = {(order.id, order.state, order.trigger) for order in orders.values() if order.level == level}
            self._add(chinese, f'orders of the {level}, each once', sum(has.values()), len(wants),
                      self._differences(has, wants))
        for chinese, english, name, told in (('无上级可升', 'cannot escalate', 'stuck', 'cannot_escalate'),
                                             ('报告政府', 'reported to the government', 'reported', 'reported')):
            self._add(chinese, english, sum(order[told] for order in listed),
                      sum(getattr(order, name) for order in orders.values()))

    # ------------------------------------------------------------------ who received what

    def _watchers(self):
        give_up = time.monotonic() + WATCH_S
        by_how = collections.defaultdict(lambda: [0, 0, 0, []])
        for watcher in self.watchers:
            events = self.desk.logs[watcher.stream]
            late = not watcher.wait_through(self.desk.head(watcher.stream), give_up)
            must = [(event.position, event.id) for event in self.model.received_by(events, watcher.jurisdiction)]
            one = by_how[watcher.how]
            one[0] += 1
            one[1] += len(watcher.received)
            one[2] += len(must)
            one[3] += self._watcher_faults(watcher, must, late)
        for how, (number, has, must, faults) in by_how.items():
            self._add(f'监督员收到（{how}，{number} 路）', f'received by {number} subscriptions', has, must, faults)

    @staticmethod
    def _watcher_faults(watcher, must, late):
        if watcher.received == must:
            return []
        has, wanted = collections.Counter(watcher.received), set(must)
        told = []
        for name, some in (('未收到', [one for one in must if one not in has]),
                           ('收到两次', [one for one, number in has.items() if number > 1]),
                           ('不该收到', [one for one in has if one not in wanted])):
            if some:
                places = '、'.join(str(position) for position, _ in sorted(some)[:EXAMPLES])
                told.append(f'{name} {len(some)} 条（位置 {places}）')
        told = told or ['次序不对']
        if late:
            told.append(f'读到 {watcher.through} 为止')
        if watcher.trouble:
            told.append(f'重连 {watcher.reconnects} 次：{watcher.trouble}')
        return [f'{watcher.principal} {watcher.stream}: ' + '；'.join(told)]

    # ------------------------------------------------------------------ phones, and the play itself

    def _phones(self):
        phones = Phones({one.caller_phone for one in self.given})
        number = len({one.caller_phone for one in self.given if one.caller_phone})
        found, looked = in_files(phones, self.stage.logs)
        in_dump, dumped = in_databases(phones, self.stage.databases())
        events = [json.dumps(event, ensure_ascii=False).encode() for raw in self.desk.raw.values() for event in raw]
        told = {event[:80] for event in events if phones.find(event)}
        faults = [f'{place}: {len(some)} 个' for place, some in (found | in_dump).items()]
        faults += [f'事件 {event!r}' for event in told]
        size = (looked + dumped + sum(map(len, events))) / 1e6
        self._add(f'来电号码外泄（查 {size:,.0f} MB）', f'{number} phones in logs, events, dumps',
                  len(found) + len(in_dump) + len(told), 0, faults)

    def _play(self):
        self._add('办理动作异常', 'acts that came out otherwise than they must', len(self.play.faults), 0,
                  self.play.faults)
        deaths = self.stage.deaths()
        self._add('副本意外退出', 'replicas that ended unasked', len(deaths), 0,
                  [f'{name}:\n{tail}' for name, tail in deaths.items()])
