"""The supervisor: keeps child processes running, as systemd would with Restart=always.

Invariants:
 - One thread forks, reaps and signals, and lives as long as the supervisor: children ask the kernel for a signal at
   the death of the thread that forked them, so nothing outlives a supervisor that is killed.
 - A child that dies unasked is started again after a pause that doubles with each death, up to a limit, and is
   forgotten once the child has run calmly for a while.
 - A stop is SIGTERM first (also for a stopped process: SIGCONT follows), SIGKILL only after the grace has passed.
"""
import collections
import concurrent.futures
import dataclasses
import heapq
import itertools
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

LOG_BYTES_MAX = 64 * 1024 * 1024
EXITS_KEPT_MAX = 32


@dataclasses.dataclass(frozen=True)
class Backoff:
    """Pauses before a restart."""
    first_s: float = 0.1
    most_s: float = 10.0
    calm_s: float = 10.0

    def pause_s(self, failures):
        """The pause after so many deaths in a row."""
        return min(self.most_s, self.first_s * 2 ** min(failures - 1, 30))


@dataclasses.dataclass(frozen=True)
class Spec:
    """What to run, and how it is stopped."""
    name: str
    argv: tuple
    log: Path
    env: dict = dataclasses.field(default_factory=dict)
    user: str = ''
    wrap: tuple = ()
    stop_signal: int = signal.SIGTERM
    orphan_signal: int = signal.SIGKILL
    grace_s: float = 20.0

    def command(self):
        """The argument vector with the user, the namespace and the parent-death signal that it asks for."""
        prefix = ['setpriv', f'--pdeathsig={signal.Signals(self.orphan_signal).name[3:]}']
        if self.user:
            prefix += [f'--reuid={self.user}', f'--regid={self.user}', '--init-groups']
        return [*prefix, '--', *self.wrap, *self.argv]


@dataclasses.dataclass(frozen=True)
class Exit:
    """How a process ended: a negative code is a signal, as in subprocess."""
    pid: int
    code: int
    uptime_s: float
    wanted: bool


class Child:
    """One supervised process through all its lives. Written by the supervisor's thread, read by any."""

    def __init__(self, spec):
        self.spec = spec
        self.state = 'stopped'          # stopped, running, waiting (for its restart)
        self.pid = None                 # of the latest life, also after its end
        self.starts = 0
        self.exits = collections.deque(maxlen=EXITS_KEPT_MAX)
        self.deaths = 0                 # ends that nobody asked for, over all lives
        self.failures = 0               # the same, in a row
        self._wanted = False
        self._stops = []                # futures of those who wait for its end
        self._process = None
        self._handle = None
        self._born = 0.0

    @property
    def name(self):
        """The name it was started under."""
        return self.spec.name


class Supervisor:
    """Starts, restarts and stops children. on_start(child) is called in its thread after each start."""

    def __init__(self, backoff=Backoff(), on_start=lambda child: None):
        self.backoff = backoff
        self.changed = threading.Condition()
        self._on_start = on_start
        self._children = {}
        self._commands = collections.deque()
        self._timers = []
        self._order = itertools.count()
        self._closed = False
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._wake, selectors.EVENT_READ, self._take_commands)
        self._thread = threading.Thread(target=self._run, name='supervisor', daemon=True)
        self._thread.start()

    # ------------------------------------------------------------------ for any thread

    def start(self, spec):
        """Run spec and keep it running. Returns its child; a known, stopped child takes the new spec."""
        return self._ask(self._start, spec)

    def stop(self, *names, number=None):
        """Stop children together, by their own stop signals or by this one; returns when all have ended."""
        ended = [self._ask(self._stop, name, number) for name in names]
        concurrent.futures.wait(ended)

    def signal(self, name, number):
        """Send a signal to a running child; whether there was one to receive it."""
        return self._ask(self._signal, name, number)

    def child(self, name):
        """The child of that name."""
        return self._children[name]

    def children(self):
        """All children, in the order of their first start."""
        return list(self._children.values())

    def wait(self, condition, timeout_s, what):
        """Wait until condition() holds, looked at whenever a child starts or ends."""
        with self.changed:
            if not self.changed.wait_for(condition, timeout_s):
                raise TimeoutError(f'waited {timeout_s:g} s for {what}')

    def close(self):
        """Stop everything that still runs, and the thread."""
        if self._closed:
            return
        self.stop(*(child.name for child in self.children()))
        self._ask(self._close)
        self._thread.join()
        self._selector.close()
        os.close(self._wake)

    def _ask(self, function, *args):
        if self._closed:
            raise RuntimeError('the supervisor is closed')
        answer = concurrent.futures.Future()
        self._commands.append((answer, function, args))
        os.eventfd_write(self._wake, 1)
        return answer.result()

    # ------------------------------------------------------------------ in the supervisor's thread

    def _run(self):
        while not self._closed:
            for key, _ in self._selector.select(self._until_timer_s()):
                key.data()
            while self._timers and self._timers[0][0] <= time.monotonic():
                heapq.heappop(self._timers)[2]()

    def _until_timer_s(self):
        return max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None

    def _after(self, pause_s, action):
        heapq.heappush(self._timers, (time.monotonic() + pause_s, next(self._order), action))

    def _take_commands(self):
        os.eventfd_read(self._wake)
        while self._commands:
            answer, function, args = self._commands.popleft()
            try:
                answer.set_result(function(*args))
            except Exception as error:          # the asker's to handle, in the asker's thread
                answer.set_exception(error)

    def _close(self):
        self._closed = True

    def _start(self, spec):
        child = self._children.setdefault(spec.name, Child(spec))
        if child.state != 'stopped':
            raise RuntimeError(f'{spec.name} is {child.state}')
        child.spec = spec
        child.failures = 0
        child._wanted = True
        self._spawn(child)
        return child

    def _spawn(self, child):
        with _open_log(child.spec.log) as log:
            process = subprocess.Popen(
                child.spec.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd='/',
                env=clean_environment(child.spec.env), start_new_session=True)
        child._process = process
        child._born = time.monotonic()
        child._handle = os.pidfd_open(process.pid)
        self._selector.register(child._handle, selectors.EVENT_READ, lambda: self._ended(child))
        with self.changed:
            child.pid = process.pid
            child.state = 'running'
            child.starts += 1
            self.changed.notify_all()
        self._on_start(child)

    def _ended(self, child):
        code = child._process.wait()
        self._selector.unregister(child._handle)
        os.close(child._handle)
        child._handle = None
        uptime_s = time.monotonic() - child._born
        with self.changed:
            child.exits.append(Exit(child.pid, code, uptime_s, not child._wanted))
            child.state = 'waiting' if child._wanted else 'stopped'
            if child._wanted:
                child.deaths += 1
                child.failures = 1 if uptime_s >= self.backoff.calm_s else child.failures + 1
            self.changed.notify_all()
        for done in child._stops:
            done.set_result(None)
        child._stops.clear()
        if child._wanted:
            self._restart_later(child)

    def _restart_later(self, child):
        life = child.starts
        self._after(self.backoff.pause_s(child.failures), lambda: self._restart(child, life))

    def _restart(self, child, life):
        if child.state != 'waiting' or child.starts != life:
            return
        try:
            self._spawn(child)
        except OSError as error:        # no memory or no descriptors for a fork: as good as a death
            print(f'cannot start {child.name}: {error}', file=sys.stderr, flush=True)
            child.failures += 1
            self._restart_later(child)

    def _signal(self, name, number):
        child = self._children[name]
        if child.state != 'running':
            return False
        signal.pidfd_send_signal(child._handle, number)
        return True

    def _stop(self, name, number):
        """A future that is done when the child has ended."""
        child = self._children[name]
        done = concurrent.futures.Future()
        child._wanted = False
        if child.state != 'running':
            with self.changed:
                child.state = 'stopped'
                self.changed.notify_all()
            done.set_result(None)
            return done
        life = child.starts
        signal.pidfd_send_signal(child._handle, number or child.spec.stop_signal)
        signal.pidfd_send_signal(child._handle, signal.SIGCONT)
        self._after(child.spec.grace_s, lambda: self._kill_life(child, life))
        child._stops.append(done)
        return done

    def _kill_life(self, child, life):
        if child.state == 'running' and child.starts == life:
            signal.pidfd_send_signal(child._handle, signal.SIGKILL)


def clean_environment(more):
    """The environment of a child: LUJIAN_* would override its configuration, so only what is meant for it is passed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith('LUJIAN_')}
    return kept | more


def _open_log(path):
    """Open a log for appending; one that has grown past its limit makes room first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > LOG_BYTES_MAX:
        os.replace(path, path.with_name(path.name + '.1'))
    return path.open('ab', buffering=0)
