"""The flat INI files of the services: `key = value` lines, with or without sections.

Invariant: what the services would not read back as it was written is refused: a line break, ` ;` (a comment follows
it), a line that libinih would cut. A `#` or `=` in a value is harmless, and CURVE keys have them.
"""
import re

KEY = re.compile(r'[a-z0-9_-]+')
LINE_BYTES_MAX = 190


def line(key, value):
    """One `key = value` line."""
    text = str(value)
    if not KEY.fullmatch(key):
        raise ValueError(f'not a key: {key!r}')
    made = f'{key} = {text}\n'
    if re.search(r'[\r\n\0]|\s;', text) or text != text.strip() or text.startswith(';'):
        raise ValueError(f'the value of {key} cannot stand in an INI file')
    if len(made.encode()) > LINE_BYTES_MAX:
        raise ValueError(f'the value of {key} is too long for an INI file')
    return made


def flat(values):
    """A file without sections."""
    return ''.join(line(key, value) for key, value in values.items())


def sections(table):
    """A file of sections: {section: {key: value}}."""
    return '\n'.join(f'[{name}]\n' + flat(values) for name, values in table.items())


def parse_flat(text):
    """Read a file without sections back."""
    values = {}
    for row in text.splitlines():
        if row.strip() and not row.lstrip().startswith((';', '#', '[')):
            key, _, value = row.partition('=')
            values[key.strip()] = value.strip()
    return values
