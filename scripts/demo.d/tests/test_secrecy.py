"""Phones are found in text, in runs of digits, in hex, over the borders of parts, and in a dump of PostgreSQL."""
import io

import secrecy
from secrecy import Phones, in_files

PHONE, OTHER = '19900001234', '0531-8601 2345'


def test_they_are_found_as_text():
    phones = Phones({PHONE, OTHER})
    assert phones.find(b'call 19900001234 now') == {PHONE.encode()}
    assert phones.find(b'id 7719900001234880') == {PHONE.encode()}
    assert phones.find(OTHER.encode()) == {OTHER.encode()}
    assert phones.find(PHONE.encode().hex().encode()) == {PHONE.encode().hex().encode()}
    assert phones.find(b'19900001235, 1990000123') == set()


def test_they_are_found_over_the_border_of_two_parts(monkeypatch):
    monkeypatch.setattr(secrecy, 'PART_BYTES', 16)
    phones = Phones({PHONE})
    for lead in range(40):
        data = b'x' * lead + PHONE.encode() + b'y' * 40
        assert phones.find_in(io.BytesIO(data)) == ({PHONE.encode()}, len(data)), lead


def test_nobody_is_found_where_there_is_nobody(tmp_path):
    path = tmp_path / 'a.log'
    path.write_text('19900001234')
    assert Phones(set()).find(b'19900001234') == set()
    found, looked = in_files(Phones({PHONE}), [path])
    assert found == {str(path): {PHONE.encode()}} and looked == 11
