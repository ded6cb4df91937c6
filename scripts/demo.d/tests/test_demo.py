"""The demo on a province of its own: it reconciles, and it finds what was lost, told twice or let out."""
import random
from datetime import datetime
from pathlib import Path

import pytest
import reconcile
from conftest import Terminal
from model.calendar import CHINA
from model.owners import owners_of
from show import Show

SAMPLE = Path(__file__).resolve().parents[3] / 'deploy' / 'sample' / 'complaints.csv'


def demo_module():
    """scripts/demo.d/__main__.py under a name of its own."""
    import importlib.util
    spec = importlib.util.spec_from_file_location('demo_main', Path(__file__).resolve().parents[1] / '__main__.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class FakeStage:
    """A province in place of a cluster: tokens are names, there is nothing to dump, nobody dies."""

    def __init__(self, server, log):
        self.gateway, self.logs, self.run_dir = server.url, [log], log.parent
        self.dead = {}
        self.keep = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def doors(self):
        return None

    def numbers(self):
        return 'complaints 2'

    def token(self, principal):
        return principal

    def databases(self):
        return {}

    def remember_lives(self):
        pass

    def deaths(self):
        return self.dead


@pytest.fixture
def played(province, tmp_path):
    """Plays so many complaints of the sample; (all is well, what was shown, stage)."""
    def play(count, seed=7, live=False, prepare=lambda demo, stage: None):
        demo, log = demo_module(), tmp_path / 'gateway-1.log'
        log.write_text('REQ-DONE\n')
        stage, terminal = FakeStage(province, log), Terminal(live)
        show = Show(terminal)
        owners = owners_of(datetime.now(CHINA).date())
        given = demo.read_input(show, SAMPLE, owners)
        given = random.Random(1).sample(given, count)
        one = demo.Demo(show, stage, owners, seed)
        prepare(one, stage)
        return one.play(given), terminal.getvalue()
    return play


def test_it_reconciles(played, province):
    good, shown = played(80)
    assert good, shown
    assert '✗' not in shown
    assert '黄牌' in shown and '红牌' in shown and '督办' in shown and '升级' in shown
    assert '\033' not in shown and '\r' not in shown
    kinds = {event['type'] for log in province.province.logs.values() for event in log}
    assert {'complaint.moved_out.v1', 'order.escalated.v1', 'order.reported.v1',
            'card.acknowledged.v1', 'order.closed.v1', 'complaint.reopened.v1', 'complaint.extended.v1'} <= kinds


def test_it_moves_on_a_terminal(played, monkeypatch):
    monkeypatch.setenv('TERM', 'xterm')
    monkeypatch.delenv('NO_COLOR', raising=False)
    good, shown = played(30, live=True)
    assert good, shown
    assert '\033[30;43m 黄牌 \033[0m' in shown and '█' in shown and '\r' in shown


def test_the_same_seed_tells_the_same(played, province):
    def told():
        return sorted((event['type'], event['data'].get('rung', ''), event['data'].get('color', ''))
                      for log in province.province.logs.values() for event in log)
    assert played(40, seed=3)[0]
    first = told()
    from province import Province
    province.province = Province(datetime(2026, 10, 14, 9, 30, tzinfo=CHINA))
    assert played(40, seed=3)[0]
    assert told() == first


def test_an_event_that_a_watcher_lost_is_found(played, monkeypatch):
    monkeypatch.setenv('LUJIAN_DEMO_DROP', '1')
    good, shown = played(40)
    assert not good
    assert '未收到 1 条' in shown


@pytest.mark.parametrize('drops', [False, True])
def test_the_exit_status_tells_of_a_lost_event(province, tmp_path, monkeypatch, capsys, drops):
    monkeypatch.setenv('LUJIAN_DEMO_DROP', '1' if drops else '0')
    demo, log = demo_module(), tmp_path / 'gateway-1.log'
    log.touch()
    stage = FakeStage(province, log)
    monkeypatch.setattr(demo, 'OnceStage', lambda say, run_dir: stage)
    few = tmp_path / 'few.csv'
    few.write_text(''.join(SAMPLE.read_text(encoding='utf-8').splitlines(keepends=True)[:40]), encoding='utf-8')
    status = demo.main(['--once', '--input', str(few), '--seed', '5'])
    shown = capsys.readouterr().out
    assert status == (1 if drops else 0), shown
    assert stage.keep == drops
    assert ('有未对上的项目' if drops else '全部对上') in shown


def test_a_play_that_breaks_off_says_why(province, tmp_path, monkeypatch, capsys):
    demo, log = demo_module(), tmp_path / 'gateway-1.log'
    log.touch()
    stage = FakeStage(province, log)
    stage.dead = {'supervision-1': 'assertion failed'}
    monkeypatch.setattr(demo, 'OnceStage', lambda say, run_dir: stage)

    def fail(_seconds):
        raise OSError                       # closes the connection without an answer
    monkeypatch.setattr(province.province, 'advance', fail)
    assert demo.main(['--once', '--input', str(SAMPLE)]) == 1
    shown = capsys.readouterr().out
    assert '演示中断' in shown and 'supervision-1 意外退出' in shown and stage.keep


def test_what_cannot_be_played_is_said(tmp_path, capsys):
    empty = tmp_path / 'empty.csv'
    empty.write_text('id,title,created_at,body\n')
    assert demo_module().main(['--once', '--input', str(empty)]) == 1
    assert '没有可以受理的工单' in capsys.readouterr().out
    assert demo_module().main(['--once', '--input', str(tmp_path / 'none.csv')]) == 1


def test_retries_have_one_effect(played, province):
    province.trouble += ['before', None, 'after', None, 'after', 'before'] * 20
    good, shown = played(40)
    assert good, shown


@pytest.mark.parametrize('kind', ['card.raised.v1', 'order.issued.v1', 'complaint.replied.v1', 'clock.rung_reached.v1'])
def test_what_is_not_in_the_log_is_found(played, province, kind):
    world = province.province
    tell, lost = world.tell, []

    def lossy(stream, what, *args, **data):
        tell(stream, what, *args, **data)
        if f'{what}.v1' == kind and not lost:
            lost.append(world.logs[stream].pop())
    world.tell = lossy
    good, shown = played(40)
    assert lost and not good, shown


def test_a_card_told_twice_is_found(played, province):
    world = province.province
    tell = world.tell
    told = []

    def twice(stream, what, *args, **data):
        tell(stream, what, *args, **data)
        if what == 'card.raised' and not told:
            told.append(data)
            tell(stream, what, *args, **data)
    world.tell = twice
    good, shown = played(40)
    assert not good and '事件逐条核对' in shown


def test_an_event_out_of_scope_is_found(played, province):
    world = province.province
    visible, leaked = world.visible, []

    def leaky(event, principal):
        if principal == 'supervisor_3710' and event['data']['division'].startswith('3701') and not leaked:
            leaked.append(event)
            return True
        return visible(event, principal)
    world.visible = leaky
    good, shown = played(80)
    assert leaked and not good
    assert '不该收到 1 条' in shown


def test_a_phone_in_a_log_is_found(played):
    def leak(demo, stage):
        stage.logs[0].write_text('caller 19900001840 called\n')
    good, shown = played(300, prepare=leak)
    assert not good and '来电号码外泄' in shown


def test_a_replica_that_ended_is_found(played):
    def kill(demo, stage):
        stage.dead = {'complaints-2': 'assertion failed'}
    good, shown = played(20, prepare=kill)
    assert not good and 'complaints-2' in shown


@pytest.mark.parametrize('field,value', [('state', 'pending'), ('unit', '37-default'), ('version', '99'),
                                         ('title', '另一标题'), ('clocks', [])])
def test_a_complaint_told_otherwise_is_found(played, monkeypatch, field, value):
    stored = reconcile.Account._stored

    def wrong(account):
        found = stored(account)
        next(iter(found.values()))[0][field] = value
        return found
    monkeypatch.setattr(reconcile.Account, '_stored', wrong)
    good, shown = played(10)
    assert not good, shown


def test_a_complaint_that_was_not_stored_is_found(played, monkeypatch):
    stored = reconcile.Account._stored
    monkeypatch.setattr(reconcile.Account, '_stored', lambda account: dict(list(stored(account).items())[1:]))
    good, shown = played(10)
    assert not good and '存储 0 份' in shown


def test_lines_of_the_account_are_bilingual(played):
    _, shown = played(20)
    for line in ('投递 → 存储', 'posted = stored', '黄牌', 'received by', '副本意外退出'):
        assert line in shown
