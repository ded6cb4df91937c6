"""embed_sql.py: what it writes compiles and holds the very text; what it refuses, it names."""
import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).resolve().parents[1] / 'embed_sql.py'
LIB = TOOL.parents[1]


def run(tmp_path, files, module='m'):
    """Embed these {name: text}; the finished process."""
    paths = []
    for name, text in files.items():
        path = tmp_path / name
        path.write_text(text, encoding='utf-8')
        paths.append(str(path))
    return subprocess.run([sys.executable, str(TOOL), '--module', module, '--out', str(tmp_path / 'out'), *paths],
                          text=True, capture_output=True, check=False)


MAIN = r'''
#include <stdio.h>
#include <string.h>
#include "m_sql.h"
int main(void)
{
    for (const struct pg_query *const *q = m_queries; *q; q++)
        printf("%s|%s|", (*q)->name, (*q)->sql);
    for (const struct pg_migration *m = m_migrations; m->number; m++)
        printf("%d|%s|%s|%s|", m->number, m->name, m->sha256, m->sql);
    return Q_A.name == m_queries[0]->name ? 0 : 1;
}
'''


def compiled(tmp_path):
    """What the embedded tables hold, as the C compiler sees them."""
    out = tmp_path / 'out'
    (out / 'main.c').write_text(MAIN)
    program = out / 'main'
    subprocess.run(['cc', '-std=gnu11', '-Wall', '-Wextra', '-Werror', f'-I{LIB}', f'-I{out}', str(out / 'main.c'),
                    str(out / 'm_sql.c'), '-o', str(program)], check=True)
    return subprocess.run([str(program)], check=True, capture_output=True).stdout.decode().split('|')


def test_round_trip(tmp_path):
    migration = "CREATE TABLE t (v text DEFAULT '\\\\ \"??= 鲁9');\n\n-- end\n"
    done = run(tmp_path, {
        'queries.sql': "-- A file.\n\n-- name: a\nSELECT 'x;y' -- why; so\n  FROM t;\n\n-- What b is.\n-- name: b\n"
                       "SELECT '\"\\9鲁';\n",
        '0002_more.sql': 'SELECT 2;', '0001_init.sql': migration})
    assert done.returncode == 0, done.stderr
    sums = [hashlib.sha256(text.encode()).hexdigest() for text in (migration, 'SELECT 2;')]
    assert compiled(tmp_path) == ['a', "SELECT 'x;y' -- why; so\n  FROM t", 'b', "SELECT '\"\\9鲁'", '1', 'init', sums[0],
                                  migration, '2', 'more', sums[1], 'SELECT 2;', '']


def test_unchanged_output_is_left(tmp_path):
    files = {'queries.sql': '-- name: a\nSELECT 1;\n'}
    run(tmp_path, files)
    first = (tmp_path / 'out' / 'm_sql.c').read_bytes()
    assert run(tmp_path, files).returncode == 0
    assert (tmp_path / 'out' / 'm_sql.c').read_bytes() == first


@pytest.mark.parametrize('files, complaint', [
    ({'q.sql': '-- name: a\nSELECT 1;\n-- name: a\nSELECT 2;\n'}, 'a is already at'),
    ({'q.sql': '-- name: a\nSELECT 1;\n', 'r.sql': '-- name: a\nSELECT 2;\n'}, 'q.sql:1'),
    ({'q.sql': '-- name: A-b\nSELECT 1;\n'}, 'no lower-case identifier'),
    ({'q.sql': f'-- name: {"x" * 41}\nSELECT 1;\n'}, 'longer than 40'),
    ({'q.sql': '-- name: a\n-- nothing\n'}, 'no statement'),
    ({'q.sql': '-- name: a\nSELECT 1; SELECT 2;\n'}, 'more than one'),
    ({'q.sql': 'SELECT 1;\n-- name: a\nSELECT 1;\n'}, 'before the first'),
    ({'0001_a.sql': 'SELECT 1;', '0001_b.sql': 'SELECT 1;'}, '0002 was expected'),
    ({'0001_a.sql': 'SELECT 1;', '0003_b.sql': 'SELECT 1;'}, '0002 was expected'),
])
def test_refused(tmp_path, files, complaint):
    done = run(tmp_path, files)
    assert done.returncode == 1
    assert complaint in done.stderr
    assert not (tmp_path / 'out').exists()
