"""Run all checks at once, on as many cores as there are; each says what it looked at.

The exit status is 1 when one found something. --json FILE writes {check: [problems]} for scripts/test.
"""
import argparse
import concurrent.futures
import json
import os
import sys
from pathlib import Path

import imports
import shape
import sqltime
import tools
from tree import Tree

ROOT = Path(__file__).resolve().parents[2]
LINES_SHOWN_MAX = 60


def parse(argv):
    """The command line."""
    parser = argparse.ArgumentParser(prog='scripts/lint', description=__doc__.splitlines()[0])
    parser.add_argument('checks', nargs='*', metavar='CHECK', help='only these, by name or the start of it')
    parser.add_argument('--all', action='store_true', help=f'show more than {LINES_SHOWN_MAX} lines a check')
    parser.add_argument('--json', type=Path, help='write what was found into this file')
    parser.add_argument('--root', type=Path, default=ROOT, help='the checkout to look at')
    parser.add_argument('--build', type=Path, default=os.environ.get('LUJIAN_BUILD'),
                        help='the build whose compilation database clang-tidy uses (default: build/dev)')
    return parser.parse_args(argv)


def all_checks(root, build):
    """Every check of a checkout."""
    tree = Tree(root)
    return [*tools.checks(tree, build), *imports.checks(tree), *sqltime.checks(tree), *shape.checks(tree)]


def run(checks):
    """Run the jobs of all checks in one pool."""
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda task: task[0].run(task[1]), [(check, job) for check in checks for job in check.jobs]))


def show(check, lines_max):
    """A line a check, and what it found."""
    verdict = 'FAIL' if check.problems else 'ok  '
    print(f'{verdict} {check.name}: {check.looked_at} ({check.spent_s:.1f} s)')
    lines = [line for text in check.problems for line in text.splitlines()]
    for line in lines[:lines_max]:
        print('     ' + line)
    if len(lines) > lines_max:
        print(f'     ... and {len(lines) - lines_max} lines more: scripts/lint {check.name.replace(" ", "-")} --all')
    for note in check.notes:
        print(f'     note: {note}')


def main(argv):
    """The exit status."""
    options = parse(argv)
    root = options.root.resolve()
    build = (options.build or root / 'build' / 'dev').resolve()
    build.mkdir(parents=True, exist_ok=True)
    checks = all_checks(root, build)
    chosen = [check for check in checks if not options.checks or any(
        check.name.replace(' ', '-').startswith(name.replace(' ', '-')) for name in options.checks)]
    if not chosen:
        print('no such check; there are: ' + ', '.join(check.name for check in checks), file=sys.stderr)
        return 2
    run(chosen)
    for check in chosen:
        show(check, sys.maxsize if options.all else LINES_SHOWN_MAX)
    if options.json:
        options.json.write_text(json.dumps({check.name: check.problems for check in chosen}))
    failed = sum(bool(check.problems) for check in chosen)
    print(f'{len(chosen) - failed} checks passed, {failed} failed')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
