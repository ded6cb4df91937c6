"""The one error of this package, and how it shows why: with the last lines that the failing process wrote."""
from pathlib import Path

TAIL_LINES = 25
TAIL_BYTES_MAX = 64 * 1024


class ClusterError(Exception):
    """The cluster could not do what was asked; the text is meant for a person at a terminal."""


def log_tail(path, lines=TAIL_LINES):
    """The last lines of a log, or '' where there is none."""
    path = Path(path)
    if not path.exists():
        return ''
    with path.open('rb') as log:
        log.seek(0, 2)
        log.seek(max(0, log.tell() - TAIL_BYTES_MAX))
        text = log.read().decode('utf-8', 'replace')
    return '\n'.join(text.splitlines()[-lines:])


def failure(what, log):
    """A ClusterError that names the log and shows its end."""
    tail = log_tail(log)
    shown = '\n'.join('    ' + line for line in tail.splitlines()) or '    (it wrote nothing)'
    return ClusterError(f'{what}\n  the end of {log}:\n{shown}')
