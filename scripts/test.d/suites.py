"""The suites: lint, the C tests of a preset, and each folder of Python tests."""
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from result import Result, from_junit, from_lint

LIMIT_S = {'lint': 400, 'unit': 600, 'asan': 900}
PYTHON_LIMIT_S = 900
TIMED_OUT = 124
SANITIZERS = {
    'ASAN_OPTIONS': 'detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1:abort_on_error=0',
    'UBSAN_OPTIONS': 'print_stacktrace=1',
}
# Quick ones first; the sanitizers' build is the longest and says least that is new.
FIRST, LAST = ('lint', 'unit'), ('faults', 'asan')


class Suite:
    """A name, the preset that it needs, and how it runs."""

    def __init__(self, name, preset, run):
        self.name = name
        self.preset = preset
        self.run = run


def execute(argv, root, limit_s, **env):
    """Run a command in a session of its own, its output going where ours goes; its status."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith('LUJIAN_')} | env
    with subprocess.Popen([str(arg) for arg in argv], cwd=root, env=environment, stdin=subprocess.DEVNULL,
                          start_new_session=True) as process:
        try:
            return process.wait(limit_s)
        except subprocess.TimeoutExpired:
            print(f'ended after its limit of {limit_s} s', flush=True)
            return TIMED_OUT
        finally:
            # Whatever the suite left in its session goes with it.
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


def _fresh(root, name):
    out = root / 'build' / 'results' / name
    out.parent.mkdir(parents=True, exist_ok=True)
    out.unlink(missing_ok=True)
    return out


def lint(root):
    """scripts/lint."""
    def run():
        out = _fresh(root, 'lint.json')
        status = execute([sys.executable, '-B', root / 'scripts/lint.d', '--json', out], root, LIMIT_S['lint'])
        if not out.exists():
            return Result(failures=[f'lint left no result (status {status})'])
        return from_lint(json.loads(out.read_text()), status)
    return Suite('lint', 'dev', run)


def ctest(root, name, preset, **env):
    """The C tests of a preset, two at a time."""
    def run():
        out = _fresh(root, f'{name}.xml')
        status = execute(['ctest', '--test-dir', root / 'build' / preset, '--output-on-failure', '--no-tests=error',
                          '--timeout', '180', '-j2', '--output-junit', out], root, LIMIT_S[name], **env)
        return from_junit(out, status)
    return Suite(name, preset, run)


def pytest(root, name, folder):
    """The Python tests of a folder."""
    def run():
        out = _fresh(root, f'{name}.xml')
        status = execute([sys.executable, '-B', '-m', 'pytest', '-q', '-c', root / 'tests/pytest.ini', '--rootdir', root,
                          f'--junitxml={out}', folder], root, PYTHON_LIMIT_S,
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
    """Every suite of the checkout, in the order of their run."""
    suites = [lint(root), ctest(root, 'unit', 'dev'), ctest(root, 'asan', 'asan', **SANITIZERS)]
    suites += [pytest(root, name, folder) for name, folder in python_folders(root).items()]

    def place(suite):
        if suite.name in FIRST:
            return FIRST.index(suite.name) - len(FIRST)
        return 1 + LAST.index(suite.name) if suite.name in LAST else 0
    return sorted(suites, key=place)
