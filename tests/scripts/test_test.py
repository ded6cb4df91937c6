"""scripts/test counts what every runner tells it, and can fail in every way in which something can go wrong."""
import os
import re
import shutil
import subprocess
import sys
import time

import pytest

from cluster.paths import ROOT

SOUND = 'def test_one():\n    assert True\n\n\ndef test_two():\n    pass\n'

MEETING = '''import sys, time
from pathlib import Path

def test_it():
    Path('{mine}.here').touch()
    until = time.monotonic() + 30
    while not Path('{other}.here').exists():
        assert time.monotonic() < until
        time.sleep(0.01)

'''


@pytest.fixture
def checkout(tmp_path):
    """A checkout with a build script that counts, a folder of Python tests and no lint."""
    for folder in ('scripts/lint.d', 'tests/good', 'deploy/seed/tests'):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy(ROOT / 'tests/pytest.ini', tmp_path / 'tests')
    _script(tmp_path / 'scripts/build', '#!/bin/sh\necho "$1" >> "$(dirname "$0")/../built"\n')
    _lint(tmp_path, "{'a': [], 'b': []}", 0)
    (tmp_path / 'tests/good/test_a.py').write_text(SOUND)
    (tmp_path / 'deploy/seed/tests/test_b.py').write_text('def test_three():\n    pass\n')
    return tmp_path


def _script(path, text):
    path.write_text(text)
    path.chmod(0o755)


def _lint(root, found, status):
    """A lint that finds this."""
    (root / 'scripts/lint.d/__main__.py').write_text(
        f'import json, sys\njson.dump({found}, open(sys.argv[sys.argv.index("--json") + 1], "w"))\nsys.exit({status})\n')


def _ctest(root, preset, verdict):
    """A build folder with one ctest case."""
    folder = root / 'build' / preset
    folder.mkdir(parents=True)
    (folder / 'CTestTestfile.cmake').write_text(f'add_test(case "/bin/{verdict}")\n')


def run(root, *suites):
    """(status, the last line, all of the output)."""
    done = subprocess.run([sys.executable, '-B', str(ROOT / 'scripts/test.d'), '--root', str(root), *suites],
                          text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120, check=False)
    return done.returncode, done.stdout.splitlines()[-1], done.stdout


def test_it_finds_the_suites():
    listed = run(ROOT, '--list')[2].split()
    assert listed[:3] == ['lint', 'unit', 'asan'] and listed[-1] == 'faults'
    assert {'scripts', 'seed'} <= set(listed)


def test_everything_is_counted_once(checkout):
    for preset in ('dev', 'asan'):
        _ctest(checkout, preset, 'true')
    status, last, _ = run(checkout)
    assert (status, last) == (0, '7 passed, 0 failed')
    assert (checkout / 'built').read_text().split() == ['dev', 'asan']


def test_lanes_run_side_by_side_and_do_not_mix(checkout):
    """Either waits for the other to have begun, so one after the other they would not pass."""
    (checkout / 'tests/good/test_a.py').write_text(MEETING.format(mine='a', other='b'))
    (checkout / 'scripts/lint.d/__main__.py').write_text(
        MEETING.format(mine='b', other='a') + 'import json\nprint("line 1", flush=True)\ntest_it()\nprint("line 2")\n'
        'json.dump({"a": []}, open(sys.argv[sys.argv.index("--json") + 1], "w"))\n')
    status, last, text = run(checkout, 'lint', 'good')
    assert (status, last) == (0, '2 passed, 0 failed')
    assert 'line 1\nline 2\n' in text and '--- lint begins' in text and '=== good' in text


def test_a_lane_that_is_done_helps(checkout):
    """Both wait to be driven, and each for the other to have begun."""
    (checkout / 'tests/good/test_a.py').write_text(MEETING.format(mine='a', other='b'))
    (checkout / 'deploy/seed/tests/test_b.py').write_text(MEETING.format(mine='b', other='a'))
    assert run(checkout, 'lint', 'good', 'seed')[:2] == (0, '4 passed, 0 failed')


def test_the_faults_run_when_all_else_is_done(checkout):
    (checkout / 'tests/faults').mkdir()
    (checkout / 'tests/faults/test_f.py').write_text(
        "from pathlib import Path\n\n\ndef test_f():\n    assert Path('good.done').exists()\n")
    (checkout / 'tests/good/test_a.py').write_text(
        "import time\nfrom pathlib import Path\n\n\ndef test_one():\n    time.sleep(0.5)\n    Path('good.done').touch()\n")
    assert run(checkout, 'good', 'faults')[:2] == (0, '2 passed, 0 failed')


def test_one_suite_alone(checkout):
    assert run(checkout, 'good')[:2] == (0, '2 passed, 0 failed')
    assert run(checkout, 'none')[0] == 2


@pytest.mark.parametrize('text, last', [
    (SOUND + '\n\ndef test_bad():\n    assert False\n', '2 passed, 1 failed'),
    ('import nothing_of_that_name\n', '0 passed, 1 failed'),
    ('import pytest\n\n\n@pytest.fixture\ndef f():\n    assert 0\n\n\ndef test_e(f):\n    pass\n', '0 passed, 1 failed'),
    ('import os\n\n\ndef test_crash():\n    os._exit(3)\n', '0 passed, 1 failed'),
    ('NOTHING = 1\n', '0 passed, 1 failed'),
    ('import pytest\n\n\n@pytest.mark.skip\ndef test_s():\n    pass\n', '0 passed, 0 failed')])
def test_python_that_fails(checkout, text, last):
    (checkout / 'tests/good/test_a.py').write_text(text)
    assert run(checkout, 'good')[:2] == (1, last)


@pytest.mark.parametrize('verdict, expected', [('true', (0, '1 passed, 0 failed')), ('false', (1, '0 passed, 1 failed'))])
def test_c_tests(checkout, verdict, expected):
    _ctest(checkout, 'dev', verdict)
    assert run(checkout, 'unit')[:2] == expected


def test_a_build_without_c_tests_fails(checkout):
    (checkout / 'build/dev').mkdir(parents=True)
    assert run(checkout, 'unit')[:2] == (1, '0 passed, 1 failed')


def test_what_does_not_build_fails(checkout):
    _script(checkout / 'scripts/build', '#!/bin/sh\nexit 1\n')
    assert run(checkout, 'good', 'unit')[:2] == (1, '0 passed, 2 failed')


def test_lint_counts(checkout):
    _lint(checkout, "{'a': [], 'b': ['x']}", 1)
    assert run(checkout, 'lint')[:2] == (1, '1 passed, 1 failed')
    _lint(checkout, "{'a': []}", 2)
    assert run(checkout, 'lint')[:2] == (1, '1 passed, 1 failed')


def test_a_suite_that_hangs_is_ended_with_all_that_it_started(tmp_path):
    program = ('import sys, time; sys.path.insert(0, sys.argv[1]); from suites import execute; '
               'print("status", execute(["/bin/sh", "-c", "sleep 60 & echo $!; wait"], "/", 1))')
    begun = time.monotonic()
    # As in the background of a script, where SIGINT is ignored.
    done = subprocess.run(['/bin/sh', '-c', 'trap "" INT; exec "$@"', 'sh', sys.executable, '-B', '-c', program,
                           str(ROOT / 'scripts/test.d')], text=True, stdout=subprocess.PIPE, timeout=50, check=True)
    assert time.monotonic() - begun < 30
    assert 'ended after its limit of 1 s' in done.stdout and 'status 124' in done.stdout
    pid = int(next(line for line in done.stdout.splitlines() if line.isdigit()))
    deadline = time.monotonic() + 10
    while _is_running(pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_test_that_hangs_fails_and_the_others_still_run(checkout, monkeypatch):
    (checkout / 'tests/good/test_a.py').write_text(
        'def test_that_hangs():\n    import threading\n    threading.Event().wait(60)\n\n\n' + SOUND)
    monkeypatch.setenv('PYTEST_TIMEOUT', '2')
    status, last, text = run(checkout, 'good')
    assert (status, last) == (1, '2 passed, 1 failed') and 'FAILED good: tests.good.test_a.test_that_hangs' in text
    assert int(re.search(r'^timeout = (\d+)$', (ROOT / 'tests/pytest.ini').read_text(), re.MULTILINE)[1]) > 0


def test_a_suite_whose_time_is_up_tells_how_far_it_came(checkout):
    (checkout / 'tests/good/test_a.py').write_text(
        SOUND + '\n\ndef test_that_hangs():\n    import threading\n    threading.Event().wait(60)\n')
    program = ('import sys, pathlib; sys.path.insert(0, sys.argv[1]); import suites; suites.PYTHON_LIMIT_S = 5; '
               'root = pathlib.Path(sys.argv[2]); result = suites.pytest(root, "good", root / "tests/good").run(None); '
               'print(result.passed, result.failures)')
    done = subprocess.run([sys.executable, '-B', '-c', program, str(ROOT / 'scripts/test.d'), str(checkout)], text=True,
                          stdout=subprocess.PIPE, timeout=60, check=True)
    assert done.stdout.splitlines()[-1].startswith('2 [')
    assert 'the last that it finished is tests.good.test_a.test_two' in done.stdout, done.stdout


def _is_running(pid):
    try:
        with open(f'/proc/{pid}/stat', encoding='utf-8') as stat:
            return stat.read().rpartition(')')[2].split()[0] != 'Z'
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_ci_runs_scripts_test():
    assert os.access(ROOT / '.ci/run', os.X_OK)
    assert 'scripts/test' in (ROOT / '.ci/run').read_text()
