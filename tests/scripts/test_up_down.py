"""scripts/up and scripts/down as a person uses them."""
import json
import os
import signal
import subprocess
import sys
import threading

import pytest

from cluster import identity
from cluster.paths import ROOT


@pytest.fixture
def command(fresh_dir, fake_build):
    """Run a command of the cluster package; the cluster is down afterwards."""
    def run(*argv, build=fake_build):
        return subprocess.run(
            [sys.executable, '-m', 'cluster', *argv, '--run', str(fresh_dir)], text=True, capture_output=True,
            timeout=120, check=False,
            env={**os.environ, 'PYTHONPATH': str(ROOT / 'scripts'), 'LUJIAN_BUILD': str(build)})
    yield run
    run('down', '--purge')


def told(run_dir):
    """cluster.json."""
    return json.loads((run_dir / 'cluster.json').read_text())


def service_pids(said):
    """All pids in it."""
    return [replica['pid'] for replicas in said['services'].values() for replica in replicas]


def test_up_twice_down_twice(command, fresh_dir, alive):
    first = command('up', '--replicas', '2')
    assert first.returncode == 0, first.stderr
    assert '7 replicas are ready' in first.stdout and str(fresh_dir / 'pg') in first.stdout
    said = told(fresh_dir)
    assert all(alive(pid) for pid in service_pids(said))

    second = command('up')
    assert second.returncode == 0
    assert 'up already: registry 2, complaints 2, supervision 2, gateway 1' in second.stdout
    assert told(fresh_dir) == said

    down = command('down')
    assert (down.returncode, down.stdout) == (0, 'stopped\n')
    assert not any(alive(pid) for pid in service_pids(said))
    assert not (fresh_dir / 'cluster.json').exists() and (fresh_dir / 'pg').exists()
    assert command('down').stdout == 'nothing was running\n'
    assert command('down', '--purge').returncode == 0
    assert not fresh_dir.exists()


def test_the_daemon_restarts_who_was_killed_and_tells_the_new_pid(command, fresh_dir):
    assert command('up').returncode == 0
    old = told(fresh_dir)['services']['complaints'][0]['pid']
    handle = os.pidfd_open(old)
    os.kill(old, signal.SIGKILL)
    assert identity.wait_ended(handle, 10)
    os.close(handle)
    pid = _wait(lambda: (new := told(fresh_dir)['services']['complaints'][0]['pid']) != old and new)
    assert identity.started(pid)


def test_up_shows_the_last_words_of_who_fails_and_leaves_nothing(command, fresh_dir, tmp_path, fake_build, alive):
    broken = tmp_path / 'broken' / 'services'
    broken.mkdir(parents=True)
    for path in (fake_build / 'services').iterdir():
        (broken / path.name).symlink_to(path)
    (broken / 'lujian-gateway').unlink()
    (broken / 'lujian-gateway').write_text(
        '#!/bin/sh\ncase "$*" in *--migrate*) exit 0;; esac\necho the gateway has lost its way >&2\nexit 7\n')
    (broken / 'lujian-gateway').chmod(0o755)
    failed = command('up', build=broken.parent)
    assert failed.returncode == 1
    assert 'gateway-1 ended 3 times' in failed.stderr and 'the gateway has lost its way' in failed.stderr
    assert not (fresh_dir / 'cluster.json').exists()
    assert command('down').stdout == 'nothing was running\n'
    assert command('up').returncode == 0


def test_a_killed_supervisor_takes_all_down_and_up_starts_afresh(command, fresh_dir):
    assert command('up').returncode == 0
    said = told(fresh_dir)
    handles = [os.pidfd_open(pid) for pid in service_pids(said)]
    os.kill(json.loads((fresh_dir / 'supervisor.json').read_text())['pid'], signal.SIGKILL)
    assert all(identity.wait_ended(handle, 10) for handle in handles)
    for handle in handles:
        os.close(handle)
    again = command('up')
    assert again.returncode == 0, again.stderr
    assert set(service_pids(told(fresh_dir))).isdisjoint(service_pids(said))


def test_a_stale_pid_file_harms_nobody(command, fresh_dir):
    fresh_dir.mkdir(mode=0o711)
    with subprocess.Popen(['sleep', '60']) as stranger:
        stale = {**identity.remember(stranger.pid), 'started': 1}
        for name in ('supervisor.json', 'children.json'):
            (fresh_dir / name).write_text(json.dumps(stale if name[0] == 's' else {'complaints-1': stale}))
        (fresh_dir / 'cluster.json').write_text('{}')
        assert command('down').stdout == 'nothing was running\n'
        assert stranger.poll() is None
        (fresh_dir / 'supervisor.json').write_text(json.dumps(stale))
        assert command('up').returncode == 0
        assert stranger.poll() is None
        stranger.kill()


def test_the_demo_cast_is_loaded_into_a_running_cluster(command, fresh_dir):
    assert command('up').returncode == 0
    again = command('up', '--demo-cast')
    assert 'loaded the principals of the demo' in again.stdout
    assert (fresh_dir / 'credentials' / 'hotline_3717.ini').exists()
    assert 'loaded' not in command('up', '--demo-cast').stdout


def hear_interrupts():
    """A test run in the background may have been told to ignore them."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_an_interrupted_up_leaves_nothing(command, fresh_dir, fake_build):
    env = {**os.environ, 'PYTHONPATH': str(ROOT / 'scripts'), 'LUJIAN_BUILD': str(fake_build)}
    with subprocess.Popen([sys.executable, '-m', 'cluster', 'up', '--run', str(fresh_dir)], env=env, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=hear_interrupts) as up:
        assert 'PostgreSQL' in up.stdout.readline()
        up.send_signal(signal.SIGINT)
        assert up.wait(60) == 130
    assert not (fresh_dir / 'children.json').exists()
    assert command('down').stdout == 'nothing was running\n'


def test_wrong_arguments(command):
    assert command('up', '--replicas', 'cases=1').returncode == 1
    assert command('up', '--replicas', 'x').returncode == 2


def _wait(condition, timeout_s=10):
    """cluster.json changes by rename: it is looked at until it says what is waited for."""
    deadline = threading.Event()
    timer = threading.Timer(timeout_s, deadline.set)
    timer.start()
    try:
        while not (found := condition()):
            assert not deadline.wait(0.02), 'waited in vain'
        return found
    finally:
        timer.cancel()
