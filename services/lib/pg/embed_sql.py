#!/usr/bin/python3
"""Turn a folder's SQL into C: named statements of *.sql and numbered migrations NNNN_name.sql.

    embed_sql.py --module M --out DIR files...

writes DIR/M_sql.h and DIR/M_sql.c: `extern const struct pg_query Q_X` for each `-- name: x` block, the list
M_queries (ends with NULL), the list M_migrations (ends with number 0) with the SHA-256 of each file.

A file is refused, with its line, for: a name that is given twice, is too long or is no identifier; SQL before the first
name; a statement that is empty or more than one; migration numbers that are given twice or have a gap.
"""
import argparse
import hashlib
import re
import sys
from pathlib import Path

NAME_MAX = 40  # PG_STATEMENT_NAME_MAX
NAME = re.compile(r'^--\s*name:\s*(.*?)\s*$')
IDENTIFIER = re.compile(r'^[a-z][a-z0-9_]*$')
MIGRATION = re.compile(r'^(\d{4})_([a-z0-9_]+)\.sql$')


class Refused(Exception):
    """An input that cannot be embedded."""


def read_queries(path, taken):
    """The (name, sql) of each block of the file."""
    blocks = []
    for number, line in enumerate(path.read_text(encoding='utf-8').splitlines(), 1):
        where = f'{path}:{number}'
        match = NAME.match(line)
        if match:
            name = match.group(1)
            if not IDENTIFIER.match(name):
                raise Refused(f'{where}: {name!r} is no lower-case identifier')
            if len(name) > NAME_MAX:
                raise Refused(f'{where}: {name} is longer than {NAME_MAX}')
            if name in taken:
                raise Refused(f'{where}: {name} is already at {taken[name]}')
            taken[name] = where
            blocks.append((name, where, []))
        elif blocks:
            blocks[-1][2].append(line)
        elif line.strip() and not line.lstrip().startswith('--'):
            raise Refused(f'{where}: SQL before the first "-- name:"')
    return [(name, one_statement(lines, where)) for name, where, lines in blocks]


def one_statement(lines, where):
    """The statement without the comments around it and without its semicolon."""
    while lines and (not lines[0].strip() or lines[0].lstrip().startswith('--')):
        lines = lines[1:]
    while lines and (not lines[-1].strip() or lines[-1].lstrip().startswith('--')):
        lines = lines[:-1]
    text = '\n'.join(line.rstrip() for line in lines).strip()
    text = text[:-1].rstrip() if text.endswith(';') else text
    if not text:
        raise Refused(f'{where}: no statement follows')
    if ';' in re.sub(r"'(?:[^']|'')*'|--[^\n]*", '', text):
        raise Refused(f'{where}: more than one statement')
    return text


def read_migrations(paths):
    """The (number, name, sql, sha256) of each migration, in order."""
    found = []
    for path in paths:
        match = MIGRATION.match(path.name)
        data = path.read_bytes()
        found.append((int(match.group(1)), match.group(2), data.decode('utf-8'), hashlib.sha256(data).hexdigest()))
    found.sort()
    for expected, (number, name, _, _) in enumerate(found, 1):
        if number != expected:
            raise Refused(f'migration {number:04d}_{name}: {expected:04d} was expected')
    return found


def c_string(text):
    """Adjacent C literals, a line each."""
    lines = text.split('\n')
    parts = []
    for i, line in enumerate(lines):
        end = '\\n' if i + 1 < len(lines) else ''
        escaped = ''.join(c_char(b) for b in line.encode('utf-8'))
        if escaped or end:
            parts.append(f'    "{escaped}{end}"')
    return '\n'.join(parts) or '    ""'


def c_char(byte):
    """A byte inside a C literal; octal has a fixed length, so what follows cannot join it."""
    if byte in b'"\\':
        return '\\' + chr(byte)
    if byte == ord('?') or byte < 0x20 or byte > 0x7e:  # '?': no trigraphs
        return f'\\{byte:03o}'
    return chr(byte)


def header(module, queries):
    """M_sql.h"""
    guard = f'LUJIAN_{module.upper()}_SQL_H'
    lines = [f'/* Written by embed_sql.py: the statements and migrations of {module}. */',
             f'#ifndef {guard}', f'#define {guard}', '', '#include "pg/pg.h"', '']
    lines += [f'extern const struct pg_query Q_{name.upper()};' for name, _ in queries]
    lines += ['', f'extern const struct pg_query *const {module}_queries[];',
              f'extern const struct pg_migration {module}_migrations[];', '', '#endif', '']
    return '\n'.join(lines)


def source(module, queries, migrations):
    """M_sql.c"""
    lines = [f'/* Written by embed_sql.py: the statements and migrations of {module}. */',
             f'#include "{module}_sql.h"', '']
    for name, sql in queries:
        lines += [f'const struct pg_query Q_{name.upper()} = {{', f'    .name = "{name}",',
                  f'    .sql =\n{c_string(sql)},', '};', '']
    lines.append(f'const struct pg_query *const {module}_queries[] = {{')
    lines += [f'    &Q_{name.upper()},' for name, _ in queries]
    lines += ['    NULL,', '};', '', f'const struct pg_migration {module}_migrations[] = {{']
    for number, name, sql, digest in migrations:
        lines += [f'    {{ .number = {number}, .name = "{name}", .sha256 = "{digest}",',
                  f'      .sql =\n{c_string(sql)} }},']
    lines += ['    { .number = 0 },', '};', '']
    return '\n'.join(lines)


def write_changed(path, text):
    """Leave a file that would not change, so that nothing is compiled again for it."""
    if not path.exists() or path.read_text(encoding='utf-8') != text:
        path.write_text(text, encoding='utf-8')
    path.touch()


def main():
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--module', required=True)
    parser.add_argument('--out', required=True, type=Path)
    parser.add_argument('files', nargs='*', type=Path)
    options = parser.parse_args()
    migrations = [path for path in options.files if MIGRATION.match(path.name)]
    taken = {}
    try:
        if not IDENTIFIER.match(options.module):
            raise Refused(f'{options.module!r} is no module name')
        queries = [query for path in sorted(set(options.files) - set(migrations))
                   for query in read_queries(path, taken)]
        numbered = read_migrations(migrations)
    except (Refused, OSError, UnicodeDecodeError) as error:
        print(f'embed_sql: {error}', file=sys.stderr)
        return 1
    options.out.mkdir(parents=True, exist_ok=True)
    write_changed(options.out / f'{options.module}_sql.h', header(options.module, queries))
    write_changed(options.out / f'{options.module}_sql.c', source(options.module, queries, numbered))
    return 0


if __name__ == '__main__':
    sys.exit(main())
