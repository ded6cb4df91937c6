"""A cluster that goes on when the command that started it has ended: bring_up() and bring_down().

A daemon (daemon.py) holds the cluster. It tells its starter how the start goes through a pipe, in lines: `say TEXT`,
then `ready` or `failed` and the reason. It is found again by supervisor.json: pid, start instant, boot.
"""
import json
import os
import signal
import subprocess
import sys

from . import identity, leftovers, principals
from .cluster import replica_counts
from .errors import ClusterError, failure
from .paths import ROOT, RUN_DIR, build_dir
from .seeding import Seeding

OWNER_FILE = 'supervisor.json'
DOWN_S = 150.0


def owner(run_dir):
    """A pidfd of the daemon that holds run_dir, or None."""
    remembered = leftovers.read_remembered(run_dir / OWNER_FILE)
    return identity.open_handle(remembered) if remembered else None


def running(run_dir=RUN_DIR):
    """What cluster.json says, or None where no cluster runs. Refuses while one is starting or stopping."""
    handle = owner(run_dir)
    if handle is None:
        return None
    os.close(handle)
    told = run_dir / 'cluster.json'
    if not told.exists():
        raise ClusterError(f'the cluster in {run_dir} is starting or stopping: try again when that is done')
    return json.loads(told.read_text())


def bring_up(run_dir=RUN_DIR, replicas=1, *, build=None, cast='standing', say=lambda text: None):
    """Start a cluster that stays. Returns what cluster.json says once every replica is ready."""
    run_dir = run_dir.absolute()
    told = running(run_dir)
    if told is not None:
        say(f'it is up already: {_numbers(told)}')
        if cast == 'demo' and Seeding(run_dir, build or build_dir()).load_principals(principals.everyone(cast)):
            say('loaded the principals of the demo')
        return told
    (run_dir / 'log').mkdir(mode=0o711, parents=True, exist_ok=True)
    log_path = run_dir / 'log' / 'cluster.log'
    reader, writer = os.pipe()
    argv = [sys.executable, '-m', 'cluster.daemon', '--run', str(run_dir), '--build', str(build or build_dir()),
            '--replicas', json.dumps(replica_counts(replicas)), '--cast', cast, '--report', str(writer)]
    with log_path.open('ab') as log:
        daemon = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[writer],
                                  cwd=ROOT, start_new_session=True,
                                  env={**os.environ, 'PYTHONPATH': str(ROOT / 'scripts')})
    os.close(writer)
    try:
        with os.fdopen(reader) as report:
            _follow(report, say, log_path)
    except BaseException:
        daemon.terminate()
        daemon.wait()
        raise
    return json.loads((run_dir / 'cluster.json').read_text())


def _follow(report, say, log_path):
    for line in report:
        word, _, text = line.rstrip('\n').partition(' ')
        if word == 'say':
            say(text)
        elif word == 'ready':
            return
        elif word == 'failed':
            raise ClusterError(report.read().rstrip())
    raise failure('the supervisor ended without a word', log_path)


def bring_down(run_dir=RUN_DIR, *, purge=False, say=lambda text: None):
    """Stop the cluster of run_dir, whoever started it; data are kept unless purge says otherwise."""
    run_dir = run_dir.absolute()
    handle = owner(run_dir)
    if handle is not None:
        identity.end(handle, signal.SIGTERM, DOWN_S)
    swept = leftovers.sweep(run_dir) if run_dir.is_dir() else []
    (run_dir / OWNER_FILE).unlink(missing_ok=True)
    if swept:
        say(f'ended what a killed supervisor had left: {", ".join(swept)}')
    say('stopped' if handle is not None or swept else 'nothing was running')
    if purge:
        leftovers.purge(run_dir)
        say(f'removed {run_dir}')


def _numbers(told):
    return ', '.join(f'{service} {len(replicas)}' for service, replicas in told['services'].items())
