"""Which process a remembered pid means: a pid alone may long be somebody else's.

A process is known by its pid, the instant it started (field 22 of /proc/PID/stat) and the boot it lives in.
"""
import os
import select
import signal
import time
from pathlib import Path

STARTED_FIELD = 22


def boot_id():
    """This boot of the kernel."""
    return Path('/proc/sys/kernel/random/boot_id').read_text().strip()


def _stat_fields(pid):
    """Fields of /proc/PID/stat from the third on: the second may contain anything, also brackets."""
    return Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()


def started(pid):
    """The instant pid started, in clock ticks since boot; None if there is no such process or it is a zombie."""
    try:
        fields = _stat_fields(pid)
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in 'ZX' else int(fields[STARTED_FIELD - 3])


def remember(pid):
    """What is written into a file to find this very process again."""
    return {'pid': pid, 'started': started(pid), 'boot': boot_id()}


def is_alive(remembered):
    """Whether the remembered process still runs."""
    return (remembered.get('started') is not None
            and remembered.get('boot') == boot_id()
            and started(remembered['pid']) == remembered['started'])


def state(pid):
    """The letter of /proc/PID/stat: R running, S sleeping, T stopped, Z ended and not reaped, X gone."""
    try:
        return _stat_fields(pid)[0]
    except (FileNotFoundError, ProcessLookupError):
        return 'X'


def wait_stopped(pids, timeout_s=5.0):
    """Return when SIGSTOP has reached all of them: a signal takes its moment, and nobody tells when."""
    deadline = time.monotonic() + timeout_s
    while any(state(pid) not in 'TZX' for pid in pids):
        if time.monotonic() > deadline:
            raise TimeoutError(f'not all of {pids} have stopped')
        time.sleep(0.001)


def descendants(pid):
    """The pids of all children of pid, theirs included."""
    children = {}
    for entry in os.listdir('/proc'):
        if entry.isdigit():
            try:
                children.setdefault(int(_stat_fields(entry)[1]), []).append(int(entry))
            except (FileNotFoundError, ProcessLookupError):
                continue
    found, queue = [], [pid]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found


def open_handle(remembered):
    """A pidfd of the remembered process, or None. The check comes after the open, so the pid cannot be reused."""
    try:
        handle = os.pidfd_open(remembered['pid'])
    except ProcessLookupError:
        return None
    if is_alive(remembered):
        return handle
    os.close(handle)
    return None


def send(handle, *signals):
    """Send signals by pidfd; False when the process is gone."""
    try:
        for number in signals:
            signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return False
    return True


def wait_ended(handle, timeout_s):
    """Whether the process of a pidfd ended in time."""
    poller = select.poll()
    poller.register(handle, select.POLLIN)
    return bool(poller.poll(timeout_s * 1000))


def end(handle, gently, timeout_s):
    """End a process: the gentle signal first, SIGKILL when it takes too long. Closes the handle."""
    try:
        if send(handle, gently, signal.SIGCONT) and not wait_ended(handle, timeout_s):
            send(handle, signal.SIGKILL)
            wait_ended(handle, timeout_s)
    finally:
        os.close(handle)
