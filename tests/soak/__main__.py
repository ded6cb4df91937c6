"""python3 tests/soak --minutes N --seed S: a cluster under mixed load and random faults, reckoned up at the end."""
import argparse
import functools
import random
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / 'scripts'), str(ROOT / 'scripts/demo.d'), str(ROOT / 'tests'), str(ROOT / 'tests/faults')]

from cluster import Cluster  # noqa: E402
from cluster.paths import build_dir  # noqa: E402
from cluster.processes import Backoff  # noqa: E402

sys.path[:0] = [str(ROOT / 'services/sdk/python'), str(build_dir() / 'proto/python')]

from hands import Hands  # noqa: E402
from load import Load, Readers, watchers  # noqa: E402
from plan import SERVERS, SPARED, faults  # noqa: E402
from reckon import Reckoning  # noqa: E402
from vitals import Vitals  # noqa: E402

REPLICAS = {'registry': 2, 'complaints': 2, 'supervision': 2, 'gateway': 2}
FIRST_S, LAST_S = 15.0, 20.0        # without faults: to begin, and to end
QUIET_SHARE = 1 / 3                 # at the end no server is ended any more: one life of each is long enough to be judged


class Clock:
    """Tells what happens, with the time since the beginning."""

    def __init__(self, minutes):
        self.begun, self.lasts_s = time.monotonic(), 60 * minutes
        self.ends = self.begun + self.lasts_s

    def left(self):
        """Seconds until the load ends."""
        return self.ends - time.monotonic()

    def say(self, text):
        """One line."""
        seconds = time.monotonic() - self.begun
        print(f'{int(seconds) // 60:3}:{seconds % 60:04.1f}  {text}', flush=True)


def storm_of_faults(clock, hands, load, seed):
    """Fault after fault, until there is no time for another."""
    load.hold(FIRST_S)
    for fault in faults(seed):
        if fault.pause_s + fault.hold_s + LAST_S > clock.left():
            break
        if fault.ends_server and clock.left() - fault.pause_s < QUIET_SHARE * clock.lasts_s:
            continue
        load.hold(fault.pause_s)
        begun = time.monotonic()
        hands.strike(fault)
        clock.say(f'{str(fault):32} healed after {time.monotonic() - begun:4.1f} s, {len(load.acknowledged):,} filed')
    load.hold(max(0.0, clock.left()))


def pids(cluster):
    """Of the replicas that are not ended, and of the servers."""
    told = {replica.name: [replica.pid] for replica in cluster.replicas if replica.index == SPARED}
    return told | {'postgres': cluster.postgres.pids(), 'redis': [cluster.supervisor.child('redis').pid]}


def head(watching, name):
    """How many events the log of a replica's service has, as those who watch it know."""
    return max((watcher.through for watcher in watching if watcher.stream == name.rpartition('-')[0]), default=0)


def play(cluster, clock, seed):
    """The whole of it; raises AssertionError for what is not as it must be."""
    account = Reckoning(cluster)
    watching = [watcher.start() for watcher in watchers(cluster)]
    readers, load = Readers(cluster, seed).start(), Load(cluster, account, seed).start()
    vitals = Vitals(lambda: pids(cluster), functools.partial(head, watching)).start()
    hands = Hands(cluster, load)
    try:
        storm_of_faults(clock, hands, load, seed)
        load.finish()
        readers.stop()
        vitals.stop()
        clock.say('the load has ended; reckoning')
        account.settle_all()
        told = account.check_watchers(watching)
    finally:
        load.abandon()
        for watcher in watching:
            watcher.stop()
    report(clock, account, load, readers, hands, told)
    flat(clock, hands, vitals)


def report(clock, account, load, readers, hands, told):
    """What came of it, in numbers."""
    clock.say('faults: ' + ', '.join(f'{name} {count}' for name, count in sorted(hands.struck.items())))
    clock.say(f'{len(account.acknowledged):,} complaints posted = stored = routed, {sum(account.acts.values()):,} commands, '
              f'each once; sent again: {sum(load.outcomes.values()) - load.outcomes["ok"]:,}')
    clock.say('model: ' + ', '.join(f'{name} {count:,}' for name, count in account.model.counts().items()))
    clock.say(f'{told:,} events to six subscriptions, each exactly the log of its scope; '
              f'{sum(readers.asked.values()):,} queries answered')


def flat(clock, hands, vitals):
    """Nobody died by himself, and nobody grew."""
    spared = {replica.name: clock.lasts_s for replica in hands.cluster.replicas if replica.index == SPARED}
    lines, grown = vitals.report(spared | dict.fromkeys(SERVERS, QUIET_SHARE * clock.lasts_s))
    for line in lines:
        clock.say(line)
    wrong = hands.unasked() + grown
    assert not wrong, '\n'.join(wrong)


def main():
    """The status: 0 where all is as it must be."""
    parser = argparse.ArgumentParser(prog='soak', description=__doc__)
    parser.add_argument('--minutes', type=float, default=60.0, help='how long the load goes on')
    parser.add_argument('--seed', type=int, default=None, help='that of an earlier run, for the same faults and stories')
    chosen = parser.parse_args()
    seed = chosen.seed if chosen.seed is not None else random.SystemRandom().randrange(10 ** 6)
    print(f'soak --minutes {chosen.minutes:g} --seed {seed}', flush=True)
    random.seed(seed)
    home = Path(tempfile.mkdtemp(prefix='lujian-soak-'))
    home.chmod(0o711)
    try:
        with Cluster(home / 'run', REPLICAS, backoff=Backoff(first_s=0.1, most_s=1.0, calm_s=2.0)) as cluster:
            cluster.wait_ready()
            clock = Clock(chosen.minutes)
            play(cluster, clock, seed)
            clock.say('passed')
    except Exception:  # told with what is needed to play it again
        traceback.print_exc()
        print(f'FAILED: soak --minutes {chosen.minutes:g} --seed {seed}; logs in {home}/run/log', flush=True)
        return 1
    shutil.rmtree(home, ignore_errors=True)
    return 0


if __name__ == '__main__':
    sys.exit(main())
