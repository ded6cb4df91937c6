"""WIRE.md tells the truth: its examples decode to what stands beside them, its table of errors is the contract's."""
import re

from conftest import PROTO, ROOT
from google.protobuf import text_format

TEXT = (PROTO / 'WIRE.md').read_text(encoding='utf-8')
EXAMPLE = re.compile(r'```wire (\S+)\n(.*?)```', re.S)
LINE = re.compile(r'^\s*((?:[0-9a-f]{2}(?: |$))*)\s*(.*)$')


def message_types(pb2):
    return {message.full_name: getattr(module, message.name)
            for module in (pb2('bus.v1.envelope'), pb2('bus.v1.log'), pb2('complaints.v1.complaint'))
            for message in module.DESCRIPTOR.message_types_by_name.values()}


def test_examples(pb2):
    types = message_types(pb2)
    examples = EXAMPLE.findall(TEXT)
    assert len(examples) >= 6
    for name, body in examples:
        octets, said = '', ''
        for line in body.splitlines():
            match = LINE.match(line)
            octets += match[1]
            said += match[2] + '\n'
        message = types[name].FromString(bytes.fromhex(octets))
        assert message == text_format.Parse(said, types[name]()), name
        assert message.SerializeToString() == bytes.fromhex(octets), name


def errors_of_c():
    """{name: HTTP status} of err.c."""
    source = (ROOT / 'services/lib/base/err.c').read_text(encoding='utf-8')
    found = re.findall(r'ERR_(\w+), "\w+",\s*RPC_\w+,\s*(\d{3})', source)
    return {name: int(status) for name, status in found}


def test_errors(pb2):
    rows = re.findall(r'^\| (\d+) \| ([A-Z_]+) \| (\d{3}) \|', TEXT, re.M)
    codes = pb2('bus.v1.envelope').ErrorCode
    told = {name: int(number) for number, name, _ in rows}
    assert told == {name.removeprefix('ERROR_CODE_'): number for name, number in codes.items() if number}
    statuses = errors_of_c()
    for _, name, status in rows:
        assert statuses[name] == int(status), name
    # -ERR_X of C is ERROR_CODE_X on the wire.
    header = (ROOT / 'services/lib/base/err.h').read_text(encoding='utf-8')
    for name, number in told.items():
        assert re.search(rf'\bERR_{name}\s*=\s*-{number},', header), name


def test_limits():
    scan = (ROOT / 'services/lib/wire/wire.h').read_text(encoding='utf-8')
    door = (ROOT / 'services/lib/bus/door.h').read_text(encoding='utf-8')
    assert re.search(r'WIRE_FIELDS_MAX\s+100000\b', scan) and '100,000 fields' in TEXT
    assert re.search(r'WIRE_UNKNOWN_MAX\s+64\b', scan) and '64 unknown' in TEXT
    assert re.search(r'WIRE_DEPTH_MAX\s+16\b', scan) and 'Nesting ends at 16' in TEXT
    assert 'DOOR_FRAME_BYTES_MAX (1024 * 1024 + 64 * 1024)' in door and '1,114,112' in TEXT


def test_generic_methods_are_described(pb2):
    service = pb2('bus.v1.service').DESCRIPTOR.services_by_name['EveryService']
    outside = {'Pull', 'Follow', 'Credit', 'Unfollow', 'Ping'}
    assert outside <= set(service.methods_by_name)
    for name in outside:
        assert re.search(rf'<service>\.{name.lower()}\b', TEXT), name
