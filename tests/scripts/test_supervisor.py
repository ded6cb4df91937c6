"""The supervisor: restarts with backoff, stops in order, leaves nobody behind."""
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from cluster import identity
from cluster.processes import LOG_BYTES_MAX, Backoff, Spec, Supervisor

SHELL = '/bin/sh'


@pytest.fixture
def supervisor():
    """With pauses that a test can wait for."""
    made = Supervisor(Backoff(first_s=0.05, most_s=0.4, calm_s=1.0))
    yield made
    made.close()


def spec(tmp_path, script, **more):
    """A child that runs a line of shell."""
    return Spec('child', (SHELL, '-c', script), tmp_path / 'child.log', **more)


def test_a_crashing_child_comes_back_after_pauses_that_double(tmp_path):
    births = []
    supervisor = Supervisor(Backoff(first_s=0.05, most_s=0.4, calm_s=5.0), lambda child: births.append(time.monotonic()))
    supervisor.start(spec(tmp_path, 'exit 3'))
    child = supervisor.child('child')
    supervisor.wait(lambda: child.starts >= 6, 10, 'six lives')
    supervisor.close()
    pauses = [later - earlier for earlier, later in zip(births, births[1:6])]
    for pause, least in zip(pauses, (0.05, 0.1, 0.2, 0.4, 0.4)):
        assert pause >= least
    assert pauses[-1] < 5
    assert {gone.code for gone in list(child.exits)[:5]} == {3}
    assert not any(gone.wanted for gone in list(child.exits)[:5])


def test_a_calm_life_is_forgiven(tmp_path, supervisor):
    child = supervisor.start(spec(tmp_path, 'sleep 1.1; exit 1'))
    supervisor.wait(lambda: child.deaths >= 2, 10, 'two deaths')
    assert child.failures == 1


def test_kill_restarts_under_a_new_pid(tmp_path, supervisor):
    child = supervisor.start(spec(tmp_path, 'exec sleep 60'))
    first = child.pid
    assert supervisor.signal('child', signal.SIGKILL)
    supervisor.wait(lambda: child.starts == 2, 10, 'a restart')
    assert child.pid != first
    assert child.exits[0].code == -signal.SIGKILL


def test_sigterm_from_outside_is_restarted_too(tmp_path, supervisor):
    child = supervisor.start(spec(tmp_path, 'exec sleep 60'))
    supervisor.signal('child', signal.SIGTERM)
    supervisor.wait(lambda: child.starts == 2, 10, 'a restart')


def test_stop_is_sigterm_and_final(tmp_path, supervisor):
    child = supervisor.start(spec(tmp_path, 'trap "echo drained; exit 0" TERM; echo up; while :; do sleep 0.01; done'))
    _wait_for_line(tmp_path / 'child.log', 'up')
    supervisor.stop('child')
    assert child.state == 'stopped'
    assert (child.exits[-1].code, child.exits[-1].wanted) == (0, True)
    assert 'drained' in (tmp_path / 'child.log').read_text()
    supervisor.start(spec(tmp_path, 'exec sleep 60'))
    assert (child.state, child.starts) == ('running', 2)


def test_a_frozen_child_can_be_stopped(tmp_path, supervisor):
    child = supervisor.start(spec(tmp_path, 'exec sleep 60'))
    supervisor.signal('child', signal.SIGSTOP)
    supervisor.stop('child')
    assert child.exits[-1].code == -signal.SIGTERM


def test_who_ignores_sigterm_is_killed_after_the_grace(tmp_path, supervisor):
    child = supervisor.start(spec(tmp_path, 'trap "" TERM; echo up; while :; do sleep 0.01; done', grace_s=0.3))
    _wait_for_line(tmp_path / 'child.log', 'up')
    begun = time.monotonic()
    supervisor.stop('child')
    assert child.exits[-1].code == -signal.SIGKILL
    assert 0.3 <= time.monotonic() - begun < 5


def test_stop_while_waiting_for_a_restart(tmp_path):
    supervisor = Supervisor(Backoff(first_s=0.3))
    child = supervisor.start(spec(tmp_path, 'exit 1'))
    supervisor.wait(lambda: child.state == 'waiting', 5, 'a death')
    supervisor.stop('child')
    assert child.state == 'stopped'
    with pytest.raises(TimeoutError):
        supervisor.wait(lambda: child.starts > 1, 0.6, 'a restart that must not come')
    supervisor.close()


def test_starting_a_running_child_is_refused(tmp_path, supervisor):
    supervisor.start(spec(tmp_path, 'exec sleep 60'))
    with pytest.raises(RuntimeError, match='running'):
        supervisor.start(spec(tmp_path, 'exec sleep 60'))


def test_a_missing_program_is_a_death_like_any_other(tmp_path, supervisor):
    child = supervisor.start(Spec('child', ('/no/such/program',), tmp_path / 'child.log'))
    supervisor.wait(lambda: child.deaths >= 2, 10, 'two deaths')
    assert '/no/such/program' in (tmp_path / 'child.log').read_text()


def test_children_do_not_outlive_a_killed_supervisor(tmp_path):
    program = textwrap.dedent(f'''
        import sys, time
        sys.path.insert(0, {str(Path(identity.__file__).parents[1])!r})
        from pathlib import Path
        from cluster.processes import Spec, Supervisor
        child = Supervisor().start(Spec('child', ('/bin/sleep', '60'), Path({str(tmp_path)!r}) / 'log'))
        print(child.pid, flush=True)
        time.sleep(60)
    ''')
    with subprocess.Popen([sys.executable, '-c', program], stdout=subprocess.PIPE) as parent:
        pid = int(parent.stdout.readline())
        _wait_for_program(pid, 'sleep')
        handle = identity.open_handle(identity.remember(pid))
        parent.kill()
    assert identity.wait_ended(handle, 10)


def test_a_log_that_has_grown_too_long_makes_room(tmp_path, supervisor):
    log = tmp_path / 'child.log'
    with log.open('wb') as out:
        out.truncate(LOG_BYTES_MAX + 1)
    child = supervisor.start(spec(tmp_path, 'echo new; exec sleep 60'))
    _wait_for_line(log, 'new')
    assert child.state == 'running'
    assert log.stat().st_size < 100
    assert (tmp_path / 'child.log.1').stat().st_size == LOG_BYTES_MAX + 1


def _wait_for_line(log, line):
    deadline = time.monotonic() + 10
    while not log.exists() or line not in log.read_text(errors='replace').splitlines():
        assert time.monotonic() < deadline, f'no {line!r} in {log}'
        time.sleep(0.01)


def _wait_for_program(pid, name):
    """setpriv becomes the program in a moment; only then is the signal of the parent's death asked for."""
    deadline = time.monotonic() + 10
    while name not in Path(f'/proc/{pid}/comm').read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)
