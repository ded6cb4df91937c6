"""Working days by the notices in deploy/seed, and the terms that are counted in them."""
import csv
from datetime import date, datetime, timedelta, timezone
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

CHINA = timezone(timedelta(hours=8))
SEED = Path(__file__).resolve().parents[2] / 'deploy' / 'seed'
ONE_DAY = timedelta(days=1)
SATURDAY = 5


class Due(NamedTuple):
    """The end of a term: the first late instant, the date of the last that is in time."""
    at: datetime
    on: date
    provisional: bool  # a day decided it that no notice has announced


@lru_cache(maxsize=64)
def _read(path, _written):
    with open(path, encoding='utf-8', newline='') as file:
        return tuple(csv.DictReader(file))


def rows(name, folder=SEED):
    """The rows of a file of the seed; they are shared, so nobody changes them."""
    path = folder / f'{name}.csv'
    return _read(path, path.stat().st_mtime_ns)


def local(instant):
    """The same instant on a Chinese wall clock."""
    return instant.astimezone(CHINA)


def midnight(day):
    """The instant at which a day begins."""
    return datetime(day.year, day.month, day.day, tzinfo=CHINA)


class Calendar:
    """The announced years; any other day is what its weekday says, and makes provisional what rests on it."""

    def __init__(self, folder=SEED):
        self.marked = {date.fromisoformat(row['day']): row['kind'] == 'work' for row in rows('calendar_days', folder)}
        self.announced = {int(row['year']) for row in rows('calendar_notices', folder)}
        self.add_working_days = lru_cache(maxsize=4096)(self._add_working_days)

    def works(self, day):
        """Is the day worked?"""
        return self.marked.get(day, day.weekday() < SATURDAY)

    def known(self, day):
        """Has anybody announced what the day is?"""
        return day.year in self.announced or day in self.marked

    def _add_working_days(self, day, count):
        step = ONE_DAY if count >= 0 else -ONE_DAY
        left = abs(count)
        while left:
            day += step
            left -= self.works(day)
        return day

    def due(self, start, count, unit):
        """When a term ends that starts at an instant; the start day is not counted, hours are from the very instant."""
        if unit == 'hours':
            due_at = start + timedelta(hours=count)
            return Due(due_at, local(due_at - timedelta(milliseconds=1)).date(), False)
        if unit != 'working_days':
            raise ValueError(f'no term of the seed is counted in {unit}')
        started_on = local(start).date()
        due_on = self.add_working_days(started_on, count)
        return Due(midnight(due_on + ONE_DAY), due_on, self.unknown_between(started_on, due_on))

    def unknown_between(self, first, last):
        """Is any day after `first`, up to `last`, one that no notice has announced?"""
        day = first
        while day < last:
            day += ONE_DAY
            if not self.known(day):
                return True
        return False
