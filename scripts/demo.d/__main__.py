"""scripts/demo: a province for some weeks, played on a real cluster, and an account of what came of it."""
import argparse
import collections
import secrets
import sys
import time
from datetime import datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / 'tests'), str(ROOT / 'scripts')]

from cluster import ClusterError  # noqa: E402
from model.calendar import CHINA  # noqa: E402
from model.owners import owners_of  # noqa: E402

from api import Api, Unreachable  # noqa: E402
from cast import PROVINCE, Places, centre_id  # noqa: E402
from input import read  # noqa: E402
from play import Play  # noqa: E402
from reconcile import Account  # noqa: E402
from show import Show  # noqa: E402
from stage import OnceStage, StandingStage  # noqa: E402
from watch import STREAMS, FeedWatcher, PullWatcher, SseWatcher, drop_one  # noqa: E402

SAMPLE = ROOT / 'deploy' / 'sample' / 'complaints.csv'
DAYS = 36                       # of work: the whole ladder of a complaint that nobody answers
COUNTIES_WATCHED = 5
ALWAYS_WATCHED = '370102'
BROKEN_SHOWN, FAULTS_SHOWN = 10, 5
WARM_UP_S = 30.0
CLOCKS = {'dispatch': '派单', 'sign': '签收', 'return': '退单', 'contact': '联系', 'reply': '答复', 'visit': '回访'}
CENTRES_CLOCKS = ('dispatch', 'visit')     # what these warn of is the centre's to do, not the unit's
LEVELS = {'county': '县级', 'city': '市级', 'province': '省级'}
TRIGGERS = {'overdue': '逾期', 'unsatisfied': '两次回访不满意'}


def parse(argv):
    """The command line."""
    parser = argparse.ArgumentParser(prog='scripts/demo', description='演示：在真实集群上推演一省若干周的受理、办理与监督，并逐项对账。'
                                     ' Plays a province on a real cluster and reconciles what came of it.')
    parser.add_argument('--input', type=Path, default=SAMPLE, metavar='FILE.csv',
                        help='投递的工单；默认为自带样本 (complaints to file; default: the sample)')
    parser.add_argument('--once', action='store_true',
                        help='在独立集群上推演，结束即停；对账有误则退出码为 1 (a cluster of its own, stopped at the end)')
    parser.add_argument('--seed', type=int, help='命运种子；默认随机并显示 (decides every fate; shown)')
    parser.add_argument('--days', type=int, default=DAYS, metavar='N',
                        help=f'推演的工作日数；默认 {DAYS}，足够走完全部督办阶梯 (working days to play)')
    parser.add_argument('--run', type=Path, help=argparse.SUPPRESS)     # a run directory of the tests
    return parser.parse_args(argv)


def cities_by_weight(given):
    """Cities, those with most complaints first."""
    return [city for city, _ in collections.Counter(one.city for one in given).most_common()]


def counties_to_watch(given):
    """The counties with most complaints, and one that the standing cast has too."""
    counted = collections.Counter(one.division[:6] for one in given if len(one.division) >= 6)
    counties = [county for county, _ in counted.most_common(COUNTIES_WATCHED) if county != ALWAYS_WATCHED]
    return [ALWAYS_WATCHED, *counties[:COUNTIES_WATCHED - 1]]


def read_input(show, path, owners):
    """What will be filed; what cannot be is told row by row."""
    show.title('输入', 'input')
    given = read(path, owners)
    show.fact('文件', f'{path}：{len(given.given):,} 件，{len({one.city for one in given.given})} 市')
    if not given.has_divisions:
        show.fact('区划', '输入没有区划列：按地名代号 A–P 依次对应 16 市，没有代号的归 A（济南市）')
    if not given.has_categories:
        show.fact('类别', '输入没有类别列：一律为“其他”(other)，由区划的默认单位承办')
    if not given.phones:
        show.fact('来电人', '输入没有来电人')
    for what, number in given.mended.items():
        if number:
            show.fact('修整', f'{what}：{number:,} 处')
    for number, line, why in given.broken[:BROKEN_SHOWN]:
        show.problem(f'第 {number} 条（文件第 {line} 行）不能受理：{why}')
    if len(given.broken) > BROKEN_SHOWN:
        show.problem(f'另有 {len(given.broken) - BROKEN_SHOWN:,} 条不能受理')
    if not given.given:
        raise ValueError(f'{path} 没有可以受理的工单')
    return given.given


class Demo:
    """One run on a stage."""

    def __init__(self, show, stage, owners, seed, days=DAYS):
        self.show, self.stage, self.owners, self.seed, self.days = show, stage, owners, seed, days
        self.round = f'{datetime.now(CHINA):%m%d%H%M%S}'
        self.places = Places.read()
        self.watchers = []
        self._numbers = {}              # order numbers of the complaints, for those who see their cards
        self.doors = stage.doors()

    def play(self, given):
        """File, watch, let time pass; True if everything reconciled."""
        show = self.show
        api = Api(self.stage.gateway)
        play = Play(api, self.stage, show, self.owners, self.seed, self.round)
        play.advance()
        self._warm_up(api, given)
        self._watch(api, given)
        self.stage.remember_lives()
        try:
            self._file(play, given)
            self._run(play)
            return self._reconcile(play, given)
        finally:
            for watcher in self.watchers:
                watcher.stop()

    def _warm_up(self, api, given):
        """Return when every centre that will file is known: its principal may have been loaded a moment ago."""
        give_up = time.monotonic() + WARM_UP_S
        for city in cities_by_weight(given):
            token = self.stage.token(centre_id(city))
            while (answer := api.get(token, '/v1/complaints', page_size=1)).status != 200:
                if time.monotonic() > give_up:
                    raise ClusterError(f'{centre_id(city)} is not known to the cluster: {answer}')

    def _watch(self, api, given):
        """Every city's supervisor, the province's and some counties': SSE, one by ZeroMQ, one by pulling."""
        cities = cities_by_weight(given) + [city for city in self.places.cities
                                            if city not in cities_by_weight(given)]
        by_feed, by_pull = cities[1], cities[2]
        jurisdictions = [PROVINCE, *self.places.cities, *counties_to_watch(given)]
        for jurisdiction in jurisdictions:
            principal = f'supervisor_{jurisdiction}'
            for stream in STREAMS:
                if jurisdiction == by_feed and self.doors:
                    watcher = FeedWatcher(self._opener(principal), principal, jurisdiction, stream)
                else:
                    kind = PullWatcher if jurisdiction == by_pull else SseWatcher
                    watcher = kind(api, self.stage.token(principal), principal, jurisdiction, stream)
                self.watchers.append(watcher)
        drop_one([one for one in self.watchers if one.jurisdiction == cities[0]])
        self.watchers[1].on_event = self._arrived    # the province's, on supervision's stream
        for watcher in self.watchers:
            watcher.start()
        self.show.title('监督员', 'supervisors')
        self.show.fact('接收', f'省、16 市、{len(jurisdictions) - 17} 县（区）各收两条日志：SSE；'
                       + (f'{self.places.division(by_feed)}走 ZeroMQ，' if self.doors else '')
                       + f'{self.places.division(by_pull)}按游标拉取')

    def _opener(self, principal):
        return lambda stream, look: self.doors.open(stream, self.stage.credentials(principal), look)

    def _file(self, play, given):
        show = self.show
        show.title('受理', 'intake')
        cities = cities_by_weight(given)
        shares = collections.Counter(one.city for one in given)
        show.fact('各市 12345', '  '.join(f'{self.places.division(city)} {shares[city]:,}' for city in cities))
        by_zeromq = cities[1] if len(cities) > 1 else cities[0]
        seconds = play.file_all(given, self.doors, by_zeromq)
        self._numbers = {case.id: case.told['order_no'] for case in play.cases.values()}
        show.fact('已受理', f'{len(play.cases):,} 件，{seconds:.1f} 秒'
                  + (f'，其中 {play.over_zeromq:,} 件由{self.places.division(by_zeromq)}经 ZeroMQ 投递'
                     if play.over_zeromq else '')
                  + (f'；{play.not_received:,} 件的 created_at 尚未到，按受理时间计' if play.not_received else ''))

    def _run(self, play):
        show = self.show
        show.title('办理与监督', 'handling, clocks, cards, orders')
        show.fact('民用时间', f'自 {play.now():%Y-%m-%d %H:%M} 起逐日推进；牌和督办单为省监督员实时收到，每日只列数条')
        play.run(self.days)
        if sum(show.hidden.values()):
            show.fact('未逐条列出', '、'.join(f'{kind} {number:,}' for kind, number in sorted(show.hidden.items())))
        show.fact('操作', f'{sum(play.acts.values()):,} 次；应予拒绝的 '
                  + '、'.join(f'{code} {number}' for code, number in sorted(play.refusals.items()))
                  + f'；重试 {play.api.retries}')

    def _arrived(self, told):
        """The province's supervisor has received an event."""
        data, (_, kind, _) = told['data'], told['type'].split('.')
        if kind not in ('raised', 'issued', 'reported', 'cannot_escalate') or data['subject'] not in self._numbers:
            return                      # or of an earlier play on the same cluster
        who = self.places.unit(data['unit'])
        if data.get('clock_kind') in CENTRES_CLOCKS:
            who = f'{self.places.division(data["division"][:4])} 12345'
        where = f'{self._numbers[data["subject"]]}  {self.places.division(data["division"])}  {who}'
        if kind == 'raised':
            name = {'yellow': '黄牌', 'red': '红牌'}[data['color']]
            what = '将到期' if data['color'] == 'yellow' else '逾期'
            self.show.arrival(name, data['color'], name, f'{where}  {CLOCKS[data["clock_kind"]]}{what}')
            return
        level, trigger = LEVELS[data['level']], TRIGGERS.get(data['trigger'], data['trigger'])
        if kind == 'issued' and data['previous']:
            self.show.arrival('升级', 'climb', '升级', f'{where}  升至{level}（{trigger}）')
        elif kind == 'issued':
            self.show.arrival('督办单', 'order', '督办', f'{where}  {level}督办单（{trigger}）')
        elif kind == 'reported':
            self.show.arrival('报告政府', 'red', '报告', f'{where}  {level}督办仍未答复，报告政府')
        else:
            self.show.arrival('无上级', 'climb', '顶格', f'{where}  {level}之上无可升级（{trigger}）')

    def _reconcile(self, play, given):
        show = self.show
        show.title('对账', 'reconciliation')
        show.status('  正在核对两条日志、接口、订阅和数据库转储……', force=True)
        play.advance()
        play.desk.look()
        account = Account(play, given, self.watchers, play.now())
        good = account.check()
        show.status_end()
        show.table(('项目', 'item', '实有', '应有'),
                   [((line.chinese, line.english, line.has, line.must), line.good) for line in account.lines])
        for line in account.lines:
            for fault in line.faults[:FAULTS_SHOWN]:
                show.problem(f'{line.chinese}：{fault}')
            if len(line.faults) > FAULTS_SHOWN:
                show.problem(f'{line.chinese}：另有 {len(line.faults) - FAULTS_SHOWN:,} 处')
        return good


def tell_where(show, stage):
    """The API that goes on running, and what to try."""
    show.title('接口仍在运行', 'the API is up')
    told = stage.run_dir / 'cluster.json'
    show.fact('地址', stage.gateway)
    show.fact('凭据', f'{told}（其中 credentials.*.token）')
    token = ('$(/usr/bin/python3 -c "import json; '
             f'print(json.load(open(\'{told}\'))[\'credentials\'][\'supervisor_37\'][\'token\'])")')
    show.line(f'    T={token}')
    show.line(f'    curl -s -H "Authorization: Bearer $T" \'{stage.gateway}/v1/cards?color=red&page_size=5\'')
    show.line(f'    curl -s -H "Authorization: Bearer $T" \'{stage.gateway}/v1/orders?page_size=5\'')
    show.line(f'    curl -sN -H "Authorization: Bearer $T" \'{stage.gateway}/v1/events:stream?stream=supervision\'')
    show.fact('停止', 'scripts/down')


def perform(options, show):
    """The whole of it; True if everything reconciled."""
    begun = time.monotonic()
    seed = options.seed if options.seed is not None else secrets.randbelow(10**8)
    owners = owners_of(datetime.now(CHINA).date())
    given = read_input(show, options.input, owners)
    show.title('集群', 'cluster')
    with (OnceStage if options.once else StandingStage)(
            lambda text: show.status(f'  {text}', force=True), options.run) as stage:
        show.status_end()
        show.fact('副本', f'{stage.numbers()}；{time.monotonic() - begun:.1f} 秒启动')
        show.fact('种子 seed', f'{seed}（--seed {seed} 重演同样的命运）')
        try:
            good = Demo(show, stage, owners, seed, options.days).play(given)
        except (Unreachable, RuntimeError) as error:
            show.status_end()
            show.problem(f'演示中断：{error}')
            for name, complaints in stage.deaths().items():
                show.problem(f'{name} 意外退出：\n{complaints}')
            good = False
        show.line()
        show.line(show.colour('good' if good else 'bad', '  全部对上' if good else '  有未对上的项目')
                  + f'，用时 {time.monotonic() - begun:.0f} 秒')
        if options.once:
            stage.keep = not good
            if not good:
                show.fact('日志', str(stage.run_dir / 'log'))
        else:
            tell_where(show, stage)
        return good


def main(argv):
    """Play once; 0 if everything reconciled."""
    options = parse(argv)
    show = Show()
    show.line(show.colour('title', '鲁鉴 Lujian') + '  一省投诉受理与监督演示')
    try:
        return 0 if perform(options, show) else 1
    except (ClusterError, ValueError, OSError) as error:
        show.status_end()
        show.problem(str(error))
        return 1
    except KeyboardInterrupt:
        show.status_end()
        return 130


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
