"""Working days by the notices in deploy/seed, and the terms that are counted in them."""
import csv
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

CHINA = timezone(timedelta(hours=8))
SEED = Path(__file__).resolve().parents[2] / 'deploy' / 'seed'
ONE_DAY = timedelta(days=1)


def rows(name, folder=SEED):
    with open(folder / f'{name}.csv', encoding='utf-8', newline='') as file:
        return list(csv.DictReader(file))


def local(instant):
    return instant.astimezone(CHINA)


def midnight(day):
    return datetime(day.year, day.month, day.day, tzinfo=CHINA)


class Calendar:
    def __init__(self, folder=SEED):
        self.marked = {date.fromisoformat(row['day']): row['kind'] == 'work' for row in rows('calendar_days', folder)}
        self.announced = {int(row['year']) for row in rows('calendar_notices', folder)}

    def works(self, day):
        return self.marked.get(day, day.isoweekday() <= 5)

    def add_working_days(self, day, count):
        step = ONE_DAY if count >= 0 else -ONE_DAY
        left = abs(count)
        while left:
            day += step
            left -= self.works(day)
        return day

    def due(self, start, count, unit):
        """(due_at, due_on) of a term: the first late instant, and the date of the last that is in time."""
        if unit == 'hours':
            due_at = start + timedelta(hours=count)
            return due_at, local(due_at - timedelta(milliseconds=1)).date()
        if unit != 'working_days':
            raise ValueError(f'no term of the seed is counted in {unit}')
        due_on = self.add_working_days(local(start).date(), count)
        return midnight(due_on + ONE_DAY), due_on

    def is_provisional(self, start, due_on):
        day = local(start).date()
        return any(year not in self.announced for year in range(day.year, due_on.year + 1))
