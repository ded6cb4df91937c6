"""Each check of scripts/lint finds what it is for, in a small checkout of its own, and passes what is right."""
import json
import shutil
import subprocess
import sys

import pytest

from cluster.paths import ROOT

TABLE = '''
lujian_layer(base LIBS PkgConfig::CRYPTO pthread)   # a comment (with a bracket)
lujian_layer(pg DEPENDS base LIBS PkgConfig::PQ)
lujian_layer(log DEPENDS pg
             LIBS PkgConfig::ZMQ)
lujian_layer(wire DEPENDS base contract)
lujian_service(registry DEPENDS log)
lujian_service(complaints DEPENDS log wire)
'''
SOUND_C = '/* Adds. */\nint add(int a, int b);\n\nint add(int a, int b)\n{\n    return a + b;\n}\n'


@pytest.fixture
def checkout(tmp_path):
    """A checkout in which everything is right."""
    for folder in ('services/lib/base', 'services/lib/pg/sql', 'services/lib/log', 'services/lib/wire',
                   'services/registry/tests', 'services/complaints', 'proto/lujian/t/v1', 'scripts/tools', 'build'):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / 'services/CMakeLists.txt').write_text(TABLE)
    for name in ('.clang-format', '.clang-tidy'):
        shutil.copy(ROOT / name, tmp_path)
    for name in ('package.json', 'package-lock.json'):
        shutil.copy(ROOT / 'scripts/tools' / name, tmp_path / 'scripts/tools')
    (tmp_path / 'scripts/tools/node_modules').symlink_to(ROOT / 'scripts/tools/node_modules')
    (tmp_path / 'proto/buf.yaml').write_text('version: v2\n')
    (tmp_path / 'proto/lujian/t/v1/t.proto').write_text(
        '// A test.\nsyntax = "proto3";\n\npackage lujian.t.v1;\n\nmessage T {\n  string a = 1;\n}\n')
    _buf(tmp_path, 'build', 'proto', '-o', 'proto/baseline.binpb')
    write(tmp_path, 'services/lib/base/add.c', SOUND_C)
    write(tmp_path, 'services/lib/base/err.h', '/* Errors. */\n')
    return tmp_path


def _buf(root, *argv):
    subprocess.run([root / 'scripts/tools/node_modules/.bin/buf', *argv], cwd=root, check=True)


def write(root, path, text):
    """Write a file, and the compilation database of all sources."""
    (root / path).write_text(text)
    (root / 'build/compile_commands.json').write_text(json.dumps([
        {'directory': str(root), 'file': str(source), 'command': f'gcc -Iservices/lib -Wall -Werror -c {source}'}
        for source in (root / 'services').rglob('*.c')]))


def lint(root, *checks):
    """What was found, by check."""
    out = root / 'found.json'
    done = subprocess.run([sys.executable, '-B', str(ROOT / 'scripts/lint.d'), '--root', str(root), '--build',
                           str(root / 'build'), '--json', str(out), *checks],
                          text=True, capture_output=True, timeout=120, check=False)
    assert done.returncode in (0, 1), done.stderr
    found = {name: '\n'.join(problems) for name, problems in json.loads(out.read_text()).items()}
    assert done.returncode == int(any(found.values()))
    return found


def test_what_is_right_passes_every_check(checkout):
    found = lint(checkout)
    assert set(found) == {'clang-tidy', 'cppcheck', 'clang-format', 'buf', 'shellcheck', 'lock file', 'import law',
                          'sql time', 'shape'}
    assert not any(found.values()), found


@pytest.mark.parametrize('path, header, verdict', [
    ('services/lib/base/a.c', '"base/err.h"', ''),
    ('services/lib/base/a.c', '"pg/pg.h"', 'base does not stand on pg'),
    ('services/lib/log/a.c', '"pg/pg.h"', ''),
    ('services/lib/log/a.c', '"base/err.h"', ''),
    ('services/lib/pg/a.c', '"log/log.h"', 'pg does not stand on log'),
    ('services/lib/pg/a.c', '<libpq-fe.h>', ''),
    ('services/lib/base/a.c', '<libpq-fe.h>', 'base may not use PQ'),
    ('services/lib/base/a.c', '<zmq.h>', 'base may not use ZMQ'),
    ('services/lib/base/a.c', '<openssl/evp.h>', ''),
    ('services/lib/pg/a.c', '"lujian/t/v1/t.pb-c.h"', 'pg does not stand on the contract'),
    ('services/lib/wire/a.c', '"lujian/t/v1/t.pb-c.h"', ''),
    ('services/lib/base/a.c', '"../pg/pg.h"', 'a path that climbs'),
    ('services/registry/a.c', '"registry.h"', ''),
    ('services/registry/a.c', '"log/log.h"', ''),
    ('services/registry/a.c', '"complaints/complaints.h"', 'services do not include each other'),
    ('services/registry/a.c', '"wire/wire.h"', 'registry does not stand on wire'),
    ('services/registry/tests/test_a.c', '"complaints/complaints.h"', 'services do not include each other'),
    ('services/complaints/a.c', '"wire/wire.h"', ''),
    ('services/lib/pg/a.c', '  "stdio.h"', ''),
])
def test_import_law(checkout, path, header, verdict):
    write(checkout, path, f'/* A. */\n#include {header}\n')
    found = lint(checkout, 'import-law')['import law']
    assert (verdict in found and f'{path}:2:' in found) if verdict else not found


def test_a_folder_that_the_table_does_not_know(checkout):
    (checkout / 'services/lib/extra').mkdir()
    write(checkout, 'services/lib/extra/a.c', '/* A. */\n')
    assert 'lib/extra is no layer' in lint(checkout, 'import-law')['import law']


@pytest.mark.parametrize('line, caught', [
    ('SELECT now()', True), ('select NOW ()', True), ('SELECT clock_timestamp()', True),
    ('UPDATE t SET a = current_timestamp', True), ("SELECT 'now'::timestamptz", True), ('SELECT CURRENT_DATE', True),
    ('SELECT clock_timestamp() -- lint: database time', False), ('-- now() is banned', False),
    ('SELECT known(), snow_now, current_state', False), ('SELECT $1::bigint', False),
    ('/* now() */ SELECT 1', False)])
def test_sql_time(checkout, line, caught):
    (checkout / 'services/lib/pg/sql/queries.sql').write_text(f'-- Queries.\n{line}\n')
    found = lint(checkout, 'sql-time')['sql time']
    assert found.startswith('services/lib/pg/sql/queries.sql:2:') if caught else not found


@pytest.mark.parametrize('lines, caught', [(70, False), (71, True)])
def test_long_functions(checkout, lines, caught):
    body = '    x++;\n' * (lines - 1)
    write(checkout, 'services/lib/base/a.c', f'/* A. */\nvoid grow(int x)\n{{\n{body}    x--;\n}}\n')
    (checkout / 'scripts/a.py').write_text('"""A."""\n\n\ndef grow(x):\n' + '    x += 1\n' * (lines - 1))
    (checkout / 'scripts/a.sh').write_text('# A\ngrow() {\n' + '    true\n' * lines + '}\n')
    found = lint(checkout, 'shape')['shape']
    assert (found.count(f'grow has {lines} lines') == 3) is caught
    assert bool(found) is caught


@pytest.mark.parametrize('path, text, verdict', [
    ('services/lib/base/a.c', 'int a;\n', 'does not say what it is for'),
    ('services/lib/pg/sql/0001_a.sql', 'SELECT 1;\n', 'does not say what it is for'),
    ('scripts/a.py', 'import os\n', 'does not say what it is for'),
    ('scripts/a.py', '"""A."""\ndef f(:\n', 'invalid syntax')])
def test_openings_and_syntax(checkout, path, text, verdict):
    (checkout / path).write_text(text)
    assert verdict in lint(checkout, 'shape')['shape']


def test_clang_format(checkout):
    write(checkout, 'services/lib/base/a.c', '/* A. */\nint  a;\n')
    assert 'services/lib/base/a.c: 1 places' in lint(checkout, 'clang-format')['clang-format']


def test_clang_tidy_finds_and_remembers_only_what_is_right(checkout):
    bug = '/* A. */\nint a(int x)\n{\n    return x || x;\n}\n'
    write(checkout, 'services/lib/base/a.c', bug)
    for _ in range(2):
        assert 'misc-redundant-expression' in lint(checkout, 'clang-tidy')['clang-tidy']
    write(checkout, 'services/lib/base/a.c', bug.replace('x || x', 'x'))
    assert not lint(checkout, 'clang-tidy')['clang-tidy']
    assert len(list((checkout / 'build/clang-tidy').iterdir())) == 2
    write(checkout, 'services/lib/base/a.c', bug)
    assert lint(checkout, 'clang-tidy')['clang-tidy']


def test_clang_tidy_without_a_build_fails(checkout):
    (checkout / 'build/compile_commands.json').unlink()
    assert 'run scripts/build' in lint(checkout, 'clang-tidy')['clang-tidy']


def test_cppcheck(checkout):
    write(checkout, 'services/lib/base/a.c', '/* A. */\nint a(void)\n{\n    int b[2] = { 0, 1 };\n    return b[2];\n}\n')
    assert 'arrayIndexOutOfBounds' in lint(checkout, 'cppcheck')['cppcheck']


def test_buf_lint_and_breaking(checkout):
    proto = checkout / 'proto/lujian/t/v1/t.proto'
    sound = proto.read_text()
    proto.write_text(sound.replace('string a = 1', 'string BadName = 2'))
    assert 'BadName' in lint(checkout, 'buf')['buf']
    proto.write_text(sound.replace('string a = 1', 'int64 a = 1'))
    assert 'changed type' in lint(checkout, 'buf')['buf']
    proto.write_text(sound)
    (checkout / 'proto/baseline.binpb').unlink()
    assert 'baseline.binpb is missing' in lint(checkout, 'buf')['buf']


def test_shellcheck_also_where_only_the_first_line_says_shell(checkout):
    (checkout / 'scripts/run').write_text('#!/usr/bin/env bash\nrm $1\n')
    assert 'SC2086' in lint(checkout, 'shellcheck')['shellcheck']


def test_a_lock_file_that_names_a_host(checkout):
    lock = checkout / 'scripts/tools/package-lock.json'
    lock.write_text(lock.read_text().replace('"dev": true', '"resolved": "https://host/x.tgz"', 1))
    assert 'names a host' in lint(checkout, 'lock-file')['lock file']


def test_a_missing_tool_is_a_failure(checkout):
    (checkout / 'scripts/tools/node_modules').unlink()
    assert 'is not installed' in lint(checkout, 'buf')['buf']


def test_an_unknown_check_is_refused(checkout):
    done = subprocess.run([sys.executable, '-B', str(ROOT / 'scripts/lint.d'), '--root', str(checkout), '--build',
                           str(checkout / 'build'), 'spelling'], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, '')
