"""The flat INI files of the services: `key = value` lines, with or without sections.

Invariant: what cannot be read back as it was written is refused (a line break, a comment sign at the start).
"""
import re

KEY = re.compile(r'[a-z0-9_-]+')


def line(key, value):
    """One `key = value` line."""
    text = str(value)
    if not KEY.fullmatch(key):
        raise ValueError(f'not a key: {key!r}')
    if '\n' in text or '\r' in text or text != text.strip() or text.startswith((';', '#')):
        raise ValueError(f'the value of {key} cannot stand in an INI file')
    return f'{key} = {text}\n'


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
