"""Complaints from a CSV: the sample's columns, or those of any export with id, title, created_at and body.

A broken row is told by its number and the rest goes on, also after a quotation mark that nobody closed: where a record
runs over several lines and is broken, only its first line is given up. What the contract does not take is put right
and counted: texts over its limits are cut at a character, control characters become spaces.
"""
import csv
import io
import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from model.calendar import CHINA

TITLE_BYTES_MAX, TEXT_BYTES_MAX, ID_BYTES_MAX = 1024, 65536, 128
RECORD_CHARS_MAX = 4 * TEXT_BYTES_MAX
FIELD_CHARS_MAX = 16 * 1024 * 1024
NEEDED = ('id', 'title', 'created_at', 'body')
CHANNELS = 'phone web letter sms app wechat weibo visit superior open311 media'.split()
TYPES = 'consultation help complaint report suggestion praise other'.split()
URGENCIES = 'normal urgent critical'.split()
PLACE = re.compile(r'([A-P])\d*[市区县]')
CONTROL = re.compile(r'[\x00-\x1f\x7f-\x9f]')
CONTROL_IN_TEXT = re.compile(r'[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]')
PRINTABLE = re.compile(r'[!-~]+')


@dataclass
class Given:
    """A complaint as a centre has it, before it is filed."""
    external_id: str
    title: str
    text: str
    created_at: datetime
    division: str
    category: str = ''
    channel: str = 'web'
    type: str = 'complaint'
    urgency: str = 'normal'
    about_enforcement: bool = False
    caller_name: str = ''
    caller_phone: str = ''

    @property
    def city(self):
        """The city whose centre has it."""
        return self.division[:4]


@dataclass
class Input:
    """What a file holds."""
    given: list = field(default_factory=list)
    broken: list = field(default_factory=list)   # (record number, line, why)
    mended: Counter = field(default_factory=Counter)
    has_divisions: bool = False
    has_categories: bool = False

    @property
    def phones(self):
        """The phones of all callers."""
        return {one.caller_phone for one in self.given if one.caller_phone}


class Broken(Exception):
    """A row that cannot be filed."""


def read(path, owners):
    """The complaints of a CSV file."""
    with open(path, 'rb') as file:
        raw = file.read()
    # What is not UTF-8 becomes lone surrogates, which tell in which row it was.
    lines = list(io.StringIO(raw.decode('utf-8-sig', 'surrogateescape'), newline=''))
    csv.field_size_limit(FIELD_CHARS_MAX)
    result = Input()
    records = _records(lines)
    try:
        _, _, header = next(records)
    except StopIteration:
        raise ValueError(f'{path} is empty') from None
    header = [name.strip() for name in header]
    missing = [name for name in NEEDED if name not in header]
    if missing:
        raise ValueError(f'{path} has no column {", ".join(missing)}; its header is {", ".join(header)}')
    result.has_divisions, result.has_categories = 'division' in header, 'category' in header
    reader = _RowReader(header, owners, result.mended)
    records = _records(lines, len(header))
    next(records)
    for number, line, values in records:
        try:
            result.given.append(reader.read(values))
        except Broken as why:
            result.broken.append((number, line, str(why)))
    return result


def _records(lines, width=None):
    """(record number, line of its begin, values). A record of a wrong width costs one line, however far it ran."""
    at = number = 0
    while at < len(lines):
        reader = csv.reader(_onward(lines, at))
        try:
            values = next(reader)
            used = reader.line_num
        except (csv.Error, StopIteration) as error:
            values, used = [f'{error}'], 1
        begin = at
        at += used if width in (None, len(values)) else 1
        if values:
            number += 1
            yield number, begin + 1, values


def _onward(lines, at):
    """The lines that a record may take: enough for any text that the contract allows, not the rest of a large file."""
    left = RECORD_CHARS_MAX
    while at < len(lines) and left > 0:
        left -= len(lines[at])
        yield lines[at]
        at += 1


def cut(text, bytes_max):
    """The longest beginning of a text that fits, whole characters only."""
    raw = text.encode()
    return text if len(raw) <= bytes_max else raw[:bytes_max].decode(errors='ignore')


class _RowReader:
    """Rows of one header into complaints."""

    def __init__(self, header, owners, mended):
        self.header, self.owners, self.mended = header, owners, mended
        self.cities = sorted(code for code, row in owners.divisions.items()
                             if row['level'] == 'city' and not row['replaced_by'])
        self.seen = set()

    def read(self, values):
        """One complaint, or Broken."""
        if len(values) != len(self.header):
            raise Broken(f'{len(values)} 列，应为 {len(self.header)} 列')
        row = dict(zip(self.header, values))
        for name, value in row.items():
            if any('\ud800' <= char <= '\udfff' for char in value):
                raise Broken(f'{name} 不是 UTF-8')
        external_id = row['id'].strip()
        if not PRINTABLE.fullmatch(external_id) or len(external_id) > ID_BYTES_MAX:
            raise Broken(f'id 不可用：{external_id[:20]!r}')
        if external_id in self.seen:
            raise Broken(f'id {external_id} 重复')
        title = self._text(row['title'].replace('\n', ' ').replace('\t', ' ').strip(), TITLE_BYTES_MAX, CONTROL, '标题')
        text = self._text(row['body'].strip(), TEXT_BYTES_MAX, CONTROL_IN_TEXT, '正文')
        if not title or not text:
            raise Broken('标题或正文为空')
        given = Given(external_id, title, text, self._instant(row['created_at']), self._division(row))
        self._optional(row, given)
        self.seen.add(external_id)
        return given

    def _text(self, text, bytes_max, unwanted, name):
        clean = unwanted.sub(' ', text)
        fits = cut(clean, bytes_max)
        self.mended[f'{name}中的控制字符改为空格'] += clean != text
        self.mended[f'{name}超过 {bytes_max:,} 字节，按整字截断'] += fits != clean
        return fits

    @staticmethod
    def _instant(text):
        try:
            instant = datetime.fromisoformat(text.strip())
        except ValueError:
            raise Broken(f'created_at 不是时间：{text[:30]!r}') from None
        if not 1970 <= instant.year < 2100:
            raise Broken(f'created_at 超出范围：{text[:30]!r}')
        return instant if instant.tzinfo else instant.replace(tzinfo=CHINA)

    def _division(self, row):
        """The row's own; without that column, its place code A to P onto the 16 cities in their order, A where none."""
        if 'division' in row:
            if row['division'] not in self.owners.divisions or len(row['division']) < 4:
                raise Broken(f'没有这个区划：{row["division"][:12]!r}')
            return row['division']
        found = PLACE.search(row['title']) or PLACE.search(row['body'])
        return self.cities[ord(found[1]) - ord('A') if found else 0]

    def _optional(self, row, given):
        given.category = row.get('category', '').strip()
        if self.owners.category(given.category) is None:
            raise Broken(f'没有这个类别：{given.category[:20]!r}')
        for name, allowed in (('channel', CHANNELS), ('type', TYPES), ('urgency', URGENCIES)):
            value = row.get(name, '').strip()
            if value and value not in allowed:
                raise Broken(f'{name} 不在约定取值内：{value[:20]!r}')
            setattr(given, name, value or getattr(given, name))
        given.about_enforcement = row.get('about_enforcement', '').strip() in ('1', 'true')
        given.caller_name = CONTROL.sub(' ', row.get('caller_name', '')).strip()
        given.caller_phone = CONTROL.sub(' ', row.get('caller_phone', '')).strip()
        if len(given.caller_name.encode()) > 96 or len(given.caller_phone.encode()) > 32:
            raise Broken('来电人姓名或电话过长')
