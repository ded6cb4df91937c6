"""Input files: what is taken, what is put right, what is told as broken, row by row."""
from datetime import date, datetime

import pytest
from input import TEXT_BYTES_MAX, TITLE_BYTES_MAX, cut, read
from model.calendar import CHINA
from model.owners import owners_of

HEAD = 'id,user,title,created_at,body,against,likes\n'
GOOD = '{0},U1,反映A市{0}号路灯不亮,2019-07-19T18:19:54+08:00,路灯不亮,0,1\n'
OWNERS = owners_of(date(2026, 11, 24))


@pytest.fixture
def given(tmp_path):
    """Reads what is written, bytes or text."""
    def write(content):
        path = tmp_path / 'messages.csv'
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read(path, OWNERS)
    return write


def test_a_plain_file(given):
    found = given(HEAD + GOOD.format(1) + GOOD.format(2))
    assert [one.external_id for one in found.given] == ['1', '2'] and not found.broken
    first = found.given[0]
    assert (first.division, first.category, first.channel, first.type) == ('3701', '', 'web', 'complaint')
    assert first.created_at == datetime(2019, 7, 19, 18, 19, 54, tzinfo=CHINA)
    assert not found.has_divisions and not found.has_categories and not found.phones


def test_a_byte_order_mark_and_windows_lines(given):
    found = given(b'\xef\xbb\xbf' + (HEAD + GOOD.format(1)).replace('\n', '\r\n').encode())
    assert [one.external_id for one in found.given] == ['1'] and not found.broken


@pytest.mark.parametrize('title,body,division', [
    ('A市的事', '无', '3701'), ('B市的事', '无', '3702'), ('反映A7县的事', '无', '3701'), ('P2区', '无', '3717'),
    ('无代号', '在K市', '3711'), ('无代号', '也无', '3701'), ('A3区与B市', '无', '3701'), ('Q市', '无', '3701'),
    ('西地省的事', 'C4市', '3703')])
def test_place_codes_onto_cities(given, title, body, division):
    assert given(f'{HEAD}1,U,{title},2019-07-19T18:19:54,{body},0,0\n').given[0].division == division


def test_quoted_newlines_commas_and_quotes_stay(given):
    found = given(HEAD + '1,U,"题,一",2019-07-19T18:19:54+08:00,"第一行\n第二行，“引”\n他说""好""",0,0\n' + GOOD.format(2))
    assert found.given[0].title == '题,一'
    assert found.given[0].text == '第一行\n第二行，“引”\n他说"好"'
    assert len(found.given) == 2


@pytest.mark.parametrize('row,why', [
    ('7,U,标题,2019-07-19T18:19:54+08:00,正文\n', '5 列，应为 7 列'),
    ('7,U,标题,2019-07-19T18:19:54+08:00,正文,0,0,0\n', '8 列，应为 7 列'),
    ('7,U,,2019-07-19T18:19:54+08:00,正文,0,0\n', '标题或正文为空'),
    ('7,U,标题,2019-02-30T18:19:54+08:00,正文,0,0\n', 'created_at 不是时间'),
    ('7,U,标题,0001-01-01T00:00:00+08:00,正文,0,0\n', 'created_at 超出范围'),
    ('1,U,标题,2019-07-19T18:19:54+08:00,正文,0,0\n', 'id 1 重复'),
    ('七 号,U,标题,2019-07-19T18:19:54+08:00,正文,0,0\n', 'id 不可用'),
    (f'{"9" * 129},U,标题,2019-07-19T18:19:54+08:00,正文,0,0\n', 'id 不可用'),
    (b'7,U,\xff\xfe,2019-07-19T18:19:54+08:00,x,0,0\n', 'title 不是 UTF-8'),
])
def test_a_broken_row_is_told_and_the_rest_goes_on(given, row, why):
    row = row if isinstance(row, bytes) else row.encode()
    found = given((HEAD + GOOD.format(1)).encode() + row + GOOD.format(3).encode())
    assert [one.external_id for one in found.given] == ['1', '3']
    assert [(number, line) for number, line, _ in found.broken] == [(3, 3)]
    assert why in found.broken[0][2]


def test_a_quotation_mark_that_nobody_closed_costs_one_row(given):
    found = given(HEAD + GOOD.format(1) + '2,U,"没有合上,2019-07-19T18:19:54+08:00,正文,0,0\n'
                  + ''.join(GOOD.format(number) for number in range(3, 60))
                  + '60,U,好,2019-07-19T18:19:54+08:00,"两\n行",0,0\n' + GOOD.format(61))
    assert [one.external_id for one in found.given] == [str(number) for number in (1, *range(3, 62))]
    assert [(number, line) for number, line, _ in found.broken] == [(3, 3)]


def test_what_is_too_long_is_cut_at_a_character_and_counted(given):
    found = given(f'{HEAD}1,U,{"长" * 400},2019-07-19T18:19:54+08:00,{"文" * 22000},0,0\n')
    one = found.given[0]
    assert one.title == '长' * 341 and len(one.text.encode()) <= TEXT_BYTES_MAX and one.text == '文' * 21845
    assert sum(found.mended.values()) == 2


def test_control_characters_become_spaces_and_are_counted(given):
    found = given(f'{HEAD}1,U,标\x07题,2019-07-19T18:19:54+08:00,"正\x00文\n二\x85",0,0\n')
    assert (found.given[0].title, found.given[0].text) == ('标 题', '正 文\n二')
    assert sum(found.mended.values()) == 2


def test_a_file_without_the_columns_is_refused(given):
    with pytest.raises(ValueError, match='created_at'):
        given('id,title,body\n1,a,b\n')
    with pytest.raises(ValueError, match='是空的|is empty'):
        given('')


FULL = 'id,title,created_at,body,division,category,channel,type,urgency,about_enforcement,caller_name,caller_phone\n'


def test_the_optional_columns(given):
    found = given(FULL + '1,题,2026-11-01T08:00:00+08:00,文,370102001,城管执法,phone,report,urgent,1,张三,19900001234\n')
    one = found.given[0]
    assert (one.division, one.category, one.channel, one.type, one.urgency, one.about_enforcement) == (
        '370102001', '城管执法', 'phone', 'report', 'urgent', True)
    assert (one.caller_name, one.caller_phone, one.city) == ('张三', '19900001234', '3701')
    assert found.has_divisions and found.has_categories and found.phones == {'19900001234'}


@pytest.mark.parametrize('column,value,why', [
    ('division', '370199', '没有这个区划'), ('division', '', '没有这个区划'), ('category', 'no_such', '没有这个类别'),
    ('channel', 'fax', 'channel'), ('type', 'x', 'type'), ('urgency', 'x', 'urgency'),
    ('caller_phone', '1' * 33, '电话过长')])
def test_a_value_that_nobody_knows_is_told(given, column, value, why):
    row = {'id': '1', 'title': '题', 'created_at': '2026-11-01', 'body': '文', 'division': '3701', column: value}
    found = given(FULL + ','.join(row.get(name, '') for name in FULL.strip().split(',')) + '\n')
    assert not found.given and why in found.broken[0][2]


def test_cut():
    assert cut('长' * 3, 8) == '长' * 2
    assert cut('abc', 3) == 'abc'
    assert cut('😀😀', TITLE_BYTES_MAX) == '😀😀'
    assert cut('😀😀', 7) == '😀'
