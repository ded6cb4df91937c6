"""The suites: lint, the C tests of a preset, and each folder of Python tests."""
import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from result import TIMED_OUT, Result, from_junit, from_lint

LIMIT_S = {'lint': 600, 'unit': 900, 'asan': 1200}
PYTHON_LIMIT_S = 900
TELL_S = 30 # that a runner whose time is up has to tell how far it came
SANITIZERS = {
    'ASAN_OPTIONS': 'detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1:abort_on_error=0',
    'UBSAN_OPTIONS': 'print_stacktrace=1',
}
# Two lanes run side by side: what keeps the processors busy, and what drives clusters, which mostly wait; the lane that is
# done first helps. The faults have the machine to themselves afterwards: they say how long each may take.
BUSY, ALONE = ('lint', 'unit', 'asan'), ('faults',)
_running = set()
# A runner is asked to end by SIGINT. Who starts us in the background may have us ignore it, and whatever we start with us.
signal.signal(signal.SIGINT, signal.default_int_handler)


class Suite:
    """A name, the preset that it needs, and how it runs, writing to a file (None = where ours goes)."""

    def __init__(self, name, preset, run):
        self.name = name
        self.preset = preset
        self.run = run

    @property
    def lane(self):
        """busy, waiting or alone."""
        return 'busy' if self.name in BUSY else 'alone' if self.name in ALONE else 'waiting'


def execute(argv, root, limit_s, output=None, **env):
    """Run a command in a session of its own, its output going to a file (None = where ours goes); its status."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith('LUJIAN_')} | env
    with subprocess.Popen([str(arg) for arg in argv], cwd=root, env=environment, stdin=subprocess.DEVNULL,
                          stdout=output, stderr=subprocess.STDOUT if output else None, start_new_session=True) as process:
        _running.add(process.pid)
        try:
            return process.wait(limit_s)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(TELL_S)
            print(f'ended after its limit of {limit_s} s', file=output, flush=True)
            return TIMED_OUT
        finally:
            # Whatever the suite left in its session goes with it.
            _running.discard(process.pid)
            _kill(process.pid)


def _kill(group):
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass


def end_all():
    """End whatever is running: somebody lost patience."""
    for group in list(_running):
        _kill(group)


def _fresh(root, name):
    out = root / 'build' / 'results' / name
    out.parent.mkdir(parents=True, exist_ok=True)
    out.unlink(missing_ok=True)
    return out


def lint(root):
    """scripts/lint."""
    def run(output):
        out = _fresh(root, 'lint.json')
        status = execute([sys.executable, '-B', root / 'scripts/lint.d', '--json', out], root, LIMIT_S['lint'], output)
        if not out.exists():
            return Result(failures=[f'lint left no result (status {status})'])
        return from_lint(json.loads(out.read_text()), status)
    return Suite('lint', 'dev', run)


def ctest(root, name, preset, **env):
    """The C tests of a preset, two at a time."""
    def run(output):
        out = _fresh(root, f'{name}.xml')
        status = execute(['ctest', '--test-dir', root / 'build' / preset, '--output-on-failure', '--no-tests=error',
                          '--timeout', '180', '-j2', '--output-junit', out], root, LIMIT_S[name], output, **env)
        return from_junit(out, status)
    return Suite(name, preset, run)


def pytest(root, name, folder):
    """The Python tests of a folder."""
    def run(output):
        out = _fresh(root, f'{name}.xml')
        status = execute([sys.executable, '-B', '-m', 'pytest', '-q', '-c', root / 'tests/pytest.ini', '--rootdir', root,
                          f'--junitxml={out}', folder], root, PYTHON_LIMIT_S, output,
                         PYTHONPATH=str(root / 'scripts'), LUJIAN_BUILD=str(root / 'build/dev'))
        return from_junit(out, status)
    return Suite(name, 'dev', run)


def python_folders(root):
    """{suite: folder}: tests/NAME, and the `tests` folder beside whatever it tests, named by what that is."""
    found = {}
    for top in ('tests', 'deploy', 'proto', 'scripts', 'services'):
        for path in sorted((root / top).rglob('test_*.py')):
            parts = path.relative_to(root).parts
            if 'node_modules' in parts:
                continue
            if top == 'tests':
                found[parts[1]] = root / 'tests' / parts[1]
            elif 'tests' in parts:
                at = parts.index('tests')
                found[parts[at - 1]] = Path(root, *parts[:at + 1])
    return found


def all_suites(root):
    """Every suite of the checkout: the busy ones, those that wait, those that run alone."""
    suites = [lint(root), ctest(root, 'unit', 'dev'), ctest(root, 'asan', 'asan', **SANITIZERS)]
    suites += [pytest(root, name, folder) for name, folder in python_folders(root).items()]
    return sorted(suites, key=lambda suite: ('busy', 'waiting', 'alone').index(suite.lane))
