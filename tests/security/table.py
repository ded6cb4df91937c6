"""The table of expectations and the contract that it has to cover: sections of expectations.txt, methods, operations."""
import fnmatch
import json
import re
from dataclasses import dataclass
from pathlib import Path

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from cluster.paths import build_dir

SERVICES = ('registry', 'complaints', 'supervision')
COMMAND = 2  # lujian.MethodKind
PATH = Path(__file__).parent / 'expectations.txt'


@dataclass(frozen=True)
class Method:
    """One method on the wire, and its route where it has one."""
    name: str
    service: str
    command: bool
    verb: str
    path: str
    request: type
    response: type


def _lower_snake(name):
    return re.sub(r'(?<=[a-z])(?=[A-Z])', '_', name).lower()


class Contract:
    """The proto files as they were built, with their options: the modules for Python come without."""

    def __init__(self):
        data = (build_dir() / 'proto/full.binpb').read_bytes()
        self._files = descriptor_pb2.FileDescriptorSet.FromString(data).file
        self._pool = descriptor_pool.DescriptorPool()
        for file in self._files:
            self._pool.Add(file)
        self._factory = message_factory.MessageFactory(self._pool)
        self._options = {name: self._class(f'google.protobuf.{name}') for name in ('MethodOptions', 'ServiceOptions')}

    def _class(self, name):
        return self._factory.GetPrototype(self._pool.FindMessageTypeByName(name))

    def _option(self, raw, kind, name):
        extension = self._pool.FindExtensionByName(name)
        return self._options[kind].FromString(raw.SerializeToString()).Extensions[extension]

    def roles(self):
        """Names of all roles, lower case."""
        values = self._pool.FindEnumTypeByName('lujian.Role').values
        return [value.name.removeprefix('ROLE_').lower() for value in values if value.number]

    def methods(self):
        """{name: Method}: those of every service stand under each."""
        found = {}
        for file in self._files:
            for service in file.service:
                owner = self._option(service.options, 'ServiceOptions', 'lujian.service')
                for method in service.method:
                    rule = self._option(method.options, 'MethodOptions', 'lujian.method')
                    for name in SERVICES if owner == '*' else (owner,):
                        full = f'{name}.{_lower_snake(method.name)}'
                        found[full] = Method(
                            full, name, rule.kind == COMMAND, 'GET' if rule.get else 'POST' if rule.post else '',
                            rule.get or rule.post, self._class(method.input_type[1:]), self._class(method.output_type[1:]))
        return found


def operations():
    """{'VERB /path'} of openapi.json."""
    document = json.loads((build_dir() / 'proto/openapi.json').read_text())
    return {f'{verb.upper()} {path}' for path, verbs in document['paths'].items() for verb in verbs}


class Table:
    """Sections: {section: {caller: (status, code)}} for these callers; what is wrong with the file is a ValueError."""

    def __init__(self, callers, text=None):
        self._callers = callers
        self._groups = {}
        self._lines = {}
        for number, line in enumerate((PATH.read_text() if text is None else text).splitlines(), 1):
            try:
                self._read(line.split('#')[0].strip())
            except ValueError as error:
                raise ValueError(f'expectations.txt:{number}: {error}') from None
        self.sections = {name: self._answers(name) for name in self._lines}

    def _read(self, line):
        if not line:
            return
        if line.startswith('['):
            self._section = line.strip('[]')
            if self._section in self._lines:
                raise ValueError(f'[{self._section}] stands twice')
            self._lines[self._section] = []
        elif ' = ' in line:
            name, words = line.split(' = ', 1)
            self._groups[name.strip()] = words.split()
        else:
            self._lines[self._section].append(line)

    def _callers_of(self, word):
        if word in self._groups:
            return [caller for part in self._groups[word] for caller in self._callers_of(part)]
        found = fnmatch.filter(self._callers, word)
        if not found:
            raise ValueError(f'{word}: no such caller')
        return found

    def _answers(self, name):
        lines = self._lines[name]
        if len(lines) == 1 and lines[0].startswith('as '):
            return self._answers(lines[0][3:].strip(' []'))
        answers = {}
        for line in lines:
            status, code, *words = line.split()
            for caller in (caller for word in words for caller in self._callers_of(word)):
                if caller in answers:
                    raise ValueError(f'[{name}]: {caller} stands twice')
                answers[caller] = (int(status), code)
        missing = set(self._callers) - set(answers)
        if missing:
            raise ValueError(f'[{name}]: nothing is said of {", ".join(sorted(missing))}')
        return answers

    def of(self, method, variant=''):
        """The answers to a method: its own section's, or that of every service's; None where there is none."""
        service, verb = method.split('.')
        tail = f': {variant}' if variant else ''
        return self.sections.get(f'{service}.{verb}{tail}') or self.sections.get(f'*.{verb}{tail}')

    def variants(self, method):
        """'' and what else stands after the colon."""
        own, every = f'{method}:', f'*.{method.split(".")[1]}:'
        return [''] + sorted({name.split(': ')[1] for name in self.sections if name.startswith((own, every))})
