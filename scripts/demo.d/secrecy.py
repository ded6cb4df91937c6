"""Callers' phones: nowhere in a log file, an event or a dump of a database, neither as text nor as the hex of a bytea."""
import re
import subprocess

from cluster.postgres import BIN

PART_BYTES = 4 * 1024 * 1024
DIGITS = re.compile(rb'\d{7,}')
DUMP_S = 300
PHONE_DIGITS = 11


class Phones:
    """Looks for any of them in streams of bytes."""

    def __init__(self, phones):
        whole = {phone.encode() for phone in phones if phone}
        wanted = whole | {phone.hex().encode() for phone in whole}
        # Of digits alone and of one length: every window of a run of digits is looked up. Others: one by one.
        self._windows = {}
        self._plain = []
        for phone in wanted:
            if phone.isdigit():
                self._windows.setdefault(len(phone), set()).add(phone)
            else:
                self._plain.append(phone)
        self._overlap = max(map(len, wanted), default=1)

    def find(self, data):
        """The phones in these bytes."""
        found = {phone for phone in self._plain if phone in data}
        for run in DIGITS.findall(data):
            for length, phones in self._windows.items():
                found |= {run[at:at + length] for at in range(len(run) - length + 1)} & phones
        return found

    def find_in(self, stream):
        """(phones, bytes looked at) of a stream that is read in parts."""
        found, looked, before = set(), 0, b''
        while part := stream.read(PART_BYTES):
            looked += len(part)
            found |= self.find(before + part)
            before = part[-self._overlap:]
        return found, looked


def in_files(phones, paths):
    """({path: phones}, bytes)."""
    found, looked = {}, 0
    for path in paths:
        with path.open('rb') as file:
            here, size = phones.find_in(file)
        looked += size
        if here:
            found[str(path)] = here
    return found, looked


def in_databases(phones, uris):
    """({service: phones}, bytes) of a dump of each database by its superuser."""
    found, looked = {}, 0
    for service, uri in uris.items():
        argv = [str(BIN / 'pg_dump'), '--no-password', f'--dbname={uri}']
        with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as dump:
            here, size = phones.find_in(dump.stdout)
            said = dump.stderr.read().decode(errors='replace')
            status = dump.wait(DUMP_S)
        if status != 0:
            raise RuntimeError(f'pg_dump of {service} ended with {status}: {said.strip()}')
        looked += size
        if here:
            found[service] = here
    return found, looked
