"""scripts/soak counts a fuzzer as passed that ended well and did run, and runs each folder under the address sanitizer; its
tools, fuzzers and tests are fakes here."""
import os
import shutil
import subprocess

import pytest

from cluster.paths import ROOT

STATS = 'echo "INFO: Seed: 1"; echo "stat::number_of_executed_units: {runs}" >&2; echo "stat::peak_rss_mb:              41" >&2\n'


def _script(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'#!/bin/sh\n{text}')
    path.chmod(0o755)


@pytest.fixture
def checkout(tmp_path):
    """A checkout with nothing but the script; fuzzers are added."""
    (tmp_path / 'scripts').mkdir()
    for name in ('soak', 'lib.sh'):
        shutil.copy(ROOT / 'scripts' / name, tmp_path / 'scripts')
    for name in ('scripts/setup', 'scripts/build', 'bin/cmake'):
        _script(tmp_path / name, '')
    return tmp_path


def fuzzer(root, name, text):
    """A fuzzer that does this."""
    (root / 'tests/fuzz').mkdir(parents=True, exist_ok=True)
    (root / 'tests/fuzz' / f'fuzz_{name}.c').write_text('')
    _script(root / 'build/fuzz/tests/fuzz' / f'fuzz_{name}', text)


def soak(root, *words, part='fuzz'):
    """(status, the last line, what it said on the way)."""
    done = subprocess.run([str(root / 'scripts/soak'), '--only', part, *words], capture_output=True, text=True, timeout=60,
                          env=os.environ | {'PATH': f'{root}/bin:{os.environ["PATH"]}'}, check=False)
    return done.returncode, done.stdout.splitlines()[-1], done.stderr


def test_fuzzers_that_ran_and_found_nothing_have_passed(checkout):
    fuzzer(checkout, 'a', STATS.format(runs=10000))
    fuzzer(checkout, 'b', STATS.format(runs=2888840))
    status, told, said = soak(checkout)
    assert (status, told) == (0, '2 passed, 0 failed'), said
    assert 'stat::number_of_executed_units: 2888840' in said, 'what a fuzzer says is shown'


@pytest.mark.parametrize('minutes, runs, told', [
    (10, 9999, '0 passed, 1 failed'), (10, 10000, '1 passed, 0 failed'),
    (2, 1999, '0 passed, 1 failed'), (2, 2000, '1 passed, 0 failed'), (60, 10000, '0 passed, 1 failed'),
])
def test_a_fuzzer_that_hardly_ran_has_failed(checkout, minutes, runs, told):
    fuzzer(checkout, 'a', STATS.format(runs=runs))
    status, last, said = soak(checkout, '--fuzz-minutes', str(minutes))
    assert (status, last) == (int('1 failed' in told), told), said
    assert (f'a: {runs} executions, fewer than {1000 * minutes}' in said) == ('1 failed' in told)


def test_a_fuzzer_that_says_nothing_of_what_it_ran_has_failed(checkout):
    fuzzer(checkout, 'a', 'exit 0\n')
    status, last, said = soak(checkout)
    assert (status, last) == (1, '0 passed, 1 failed') and 'a: no executions' in said


def test_a_fuzzer_that_found_something_has_failed_however_long_it_ran(checkout):
    fuzzer(checkout, 'a', STATS.format(runs=1000000) + 'exit 77\n')
    assert soak(checkout)[:2] == (1, '0 passed, 1 failed')


@pytest.mark.parametrize('wrong, told', [(None, '2 passed, 0 failed'), ('skeleton', '1 passed, 1 failed'),
                                         ('integration', '1 passed, 1 failed')])
def test_each_folder_under_the_address_sanitizer_has_a_conftest_of_its_own(checkout, wrong, told):
    _script(checkout / 'bin/ctest', '')
    for name in ('skeleton', 'integration'):
        folder = checkout / 'tests' / name
        folder.mkdir(parents=True)
        (folder / 'conftest.py').write_text(f'{name.upper()} = {name != wrong}\n')
        (folder / f'test_{name}.py').write_text(f'from conftest import {name.upper()} as found\n\n\ndef test():\n    assert found\n')
    (checkout / 'tests/pytest.ini').write_text('[pytest]\n')
    status, last, said = soak(checkout, part='sanitizers')
    assert (status, last) == (int(bool(wrong)), told), said
