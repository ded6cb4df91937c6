"""The terminal: phases, a progress bar, cards and orders as they arrive, the closing table.

On a terminal it is coloured and its last line moves; elsewhere it is plain lines. Cards and orders are told one a line
up to a limit, the rest are counted: nobody reads thousands of lines.
"""
import os
import shutil
import sys
import threading
import time
import unicodedata
from collections import Counter

COLOURS = {'yellow': '30;43', 'red': '97;41', 'order': '97;45', 'climb': '97;44', 'good': '32', 'bad': '31;1',
           'dim': '2', 'bold': '1', 'title': '1;36', 'yellow_text': '33', 'red_text': '31', 'order_text': '35'}
LINES_A_DAY, LINES_A_KIND = 2, 12       # of each kind: in a day, in all
REFRESH_S = 0.1
BAR = 28
WEEKDAYS = '一二三四五六日'


def width(text):
    """Columns that a text takes: a Chinese character takes two."""
    return sum(2 if unicodedata.east_asian_width(char) in 'WF' else 1 for char in text)


def pad(text, columns):
    """Left-aligned to so many columns."""
    return text + ' ' * max(0, columns - width(text))


def pad_left(text, columns):
    """Right-aligned."""
    return ' ' * max(0, columns - width(text)) + text


def clip(text, columns):
    """No more than so many columns."""
    while width(text) > columns:
        text = text[:-1]
    return text


def day_text(instant):
    """11-24 周二"""
    return f'{instant:%m-%d} 周{WEEKDAYS[instant.weekday()]}'


class Show:
    """What a person sees; any thread may tell something."""

    def __init__(self, out=None):
        self.out = out or sys.stdout
        self.live = self.out.isatty() and os.environ.get('TERM', '') not in ('', 'dumb')
        self.coloured = self.live and 'NO_COLOR' not in os.environ
        self._lock = threading.Lock()
        self._status = ''
        self._drawn = 0.0
        self.told = Counter()        # lines of each kind, over all days
        self._today = Counter()      # the same for this day
        self.hidden = Counter()      # what was counted only

    # ------------------------------------------------------------------ lines

    def colour(self, name, text):
        """The text in a colour, where there are any."""
        return f'\033[{COLOURS[name]}m{text}\033[0m' if self.coloured else text

    def line(self, text=''):
        """A line that stays."""
        with self._lock:
            self._write(text)

    def _write(self, text):
        if self.live and self._status:
            self.out.write('\r\033[K')
        self.out.write(text + '\n')
        if self.live and self._status:
            self.out.write(self._status)
        self.out.flush()

    def title(self, chinese, english=''):
        """The head of a phase."""
        self.line()
        self.line(self.colour('title', f'▍{chinese}') + (f'  {self.colour("dim", english)}' if english else ''))

    def fact(self, name, text):
        """A name and what it is."""
        self.line(f'  {pad(name, 14)}{text}')

    def problem(self, text):
        """Something that is not as it should be."""
        self.line('  ' + self.colour('bad', '✗ ') + text)

    # ------------------------------------------------------------------ the line that moves

    def status(self, text, force=False):
        """Replaces the last line on a terminal; elsewhere nothing."""
        if not self.live:
            return
        with self._lock:
            now = time.monotonic()
            if not force and now - self._drawn < REFRESH_S:
                return
            self._drawn = now
            self._status = clip(text, shutil.get_terminal_size().columns - 1)
            self.out.write('\r\033[K' + self._status)
            self.out.flush()

    def status_end(self):
        """The last line is free again."""
        with self._lock:
            if self.live and self._status:
                self.out.write('\r\033[K')
                self.out.flush()
            self._status = ''

    def progress(self, name, done, total, begun):
        """A bar; without a terminal, a line at each quarter."""
        rate = done / max(time.monotonic() - begun, 0.001)
        if self.live:
            full = BAR * done // max(total, 1)
            self.status(f'  {name} [{"█" * full}{"░" * (BAR - full)}] {done:,}/{total:,}  {rate:,.0f} 件/秒',
                        force=done == total)
        elif total and done * 4 // total != (done - 1) * 4 // total:
            self.line(f'  {name} {done:,}/{total:,}  {rate:,.0f} 件/秒')

    # ------------------------------------------------------------------ what arrives

    def new_day(self):
        """The day's lines may begin anew."""
        with self._lock:
            self._today.clear()

    def arrival(self, kind, colour, badge, text):
        """A card or an order has arrived at a supervisor."""
        with self._lock:
            if self._today[kind] >= LINES_A_DAY or self.told[kind] >= LINES_A_KIND:
                self.hidden[kind] += 1
                return
            self._today[kind] += 1
            self.told[kind] += 1
            self._write(f'    {self.colour(colour, f" {badge} ")} {text}')

    # ------------------------------------------------------------------ the table

    def table(self, head, rows):
        """Rows of (texts, good); the first two columns to the left, the others to the right, the mark last."""
        widths = [max(width(row[column]) for row in [head, *(texts for texts, _ in rows)]) for column in range(len(head))]

        def laid(texts):
            return '  '.join((pad if column < 2 else pad_left)(text, widths[column])
                             for column, text in enumerate(texts))
        self.line('  ' + self.colour('bold', laid(head)))
        self.line('  ' + '─' * (sum(widths) + 2 * (len(widths) - 1) + 4))
        for texts, good in rows:
            mark = self.colour('good', '✓') if good else self.colour('bad', '✗')
            self.line(f'  {laid(texts)}  {mark}')
