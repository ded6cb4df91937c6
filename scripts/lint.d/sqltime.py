"""Time is a parameter of every statement: SQL that reads a clock of its own is refused.

The few statements that must (leases, expiries, tx_now) say so on the very line: `-- lint: database time`.
"""
import re

from report import Check, counted

MARKER = re.compile(r'--\s*lint: database time\b')
CLOCK = re.compile(
    r"""\b(?:now|clock_timestamp|statement_timestamp|transaction_timestamp|timeofday)\s*\(
      | \b(?:current_(?:timestamp|date|time)|localtimestamp|localtime)\b
      | '(?:now|today|tomorrow|yesterday)'
    """, re.I | re.X)


def check_text(name, text):
    """Lines that read a clock without saying so."""
    found = ''
    text = re.sub(r'/\*.*?\*/', lambda comment: '\n' * comment[0].count('\n'), text, flags=re.S)
    for number, line in enumerate(text.splitlines(), 1):
        clock = CLOCK.search(line.partition('--')[0])
        if clock and not MARKER.search(line):
            found += f'{name}:{number}: {clock[0].strip()} reads a clock; pass the time as a parameter\n'
    return found


def checks(tree):
    """The check, one job."""
    files = tree.sql_files
    return [Check('sql time', counted(files, 'SQL files'),
                  [lambda: ''.join(check_text(tree.short(path), path.read_text(encoding='utf-8')) for path in files)])]
