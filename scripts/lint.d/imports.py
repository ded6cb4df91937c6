"""The import law: a layer of services/lib includes only itself and what stands under it; a service only lib and itself.

The layers, what they stand on and the libraries they may use are read from services/CMakeLists.txt, so that the table
that the build follows is the law.
"""
import re

from report import Check

CALL = re.compile(r'^\s*lujian_(layer|service)\(\s*([\w-]+)([^)]*)\)', re.M)
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
# Headers of libraries, by the name that the table gives the library.
LIBRARY_HEADERS = {
    'uv.h': 'UV', 'uv/': 'UV', 'zmq.h': 'ZMQ', 'protobuf-c/': 'PROTOBUFC', 'libpq-fe.h': 'PQ', 'microhttpd.h': 'MHD',
    'openssl/': 'CRYPTO', 'ini.h': 'INIH', 'json-c/': 'JSONC', 'csv.h': 'CSV_LIBRARY', 'hiredis/': 'HIREDIS',
    'sodium.h': 'SODIUM', 'curl/': 'CURL',
}
CONTRACT = 'contract'


class Law:
    """Who may include whom."""

    def __init__(self, text):
        self.layers, self.services = {}, {}
        text = re.sub(r'#.*', '', text)
        for kind, name, rest in CALL.findall(text):
            (self.layers if kind == 'layer' else self.services)[name] = _keywords(rest)

    def reach(self, names):
        """Layers that can be come to from these, themselves included."""
        seen, queue = set(), list(names)
        while queue:
            name = queue.pop()
            if name not in seen:
                seen.add(name)
                queue += self.layers.get(name, {}).get('DEPENDS', [])
        return seen

    def allowed(self, folder):
        """(layers, libraries) that the files of a layer or a service may include."""
        if folder in self.layers:
            layers = self.reach([folder])
        elif folder in self.services:
            layers = self.reach(self.services[folder].get('DEPENDS', []))
        else:
            layers = set(self.layers) | {CONTRACT}
        libraries = {library for name in layers for library in self.layers.get(name, {}).get('LIBS', [])}
        libraries |= set(self.services.get(folder, {}).get('LIBS', []))
        if CONTRACT in layers:
            libraries.add('PROTOBUFC')
        return layers, libraries


def _keywords(rest):
    """DEPENDS and LIBS of a call; a library that stands among the DEPENDS counts as one all the same."""
    found, at = {'DEPENDS': [], 'LIBS': []}, None
    for word in rest.split():
        if word in found:
            at = word
        elif word.startswith(('PkgConfig::', '${')):
            found['LIBS'].append(word.removeprefix('PkgConfig::').strip('${}'))
        elif at:
            found[at].append(word)
    return found


def _folder(relative):
    """(is a layer of lib, its name) of a path below services/."""
    return (True, relative.parts[1]) if relative.parts[0] == 'lib' else (False, relative.parts[0])


def check_file(law, services, path):
    """The includes of one file that break the law, a line each."""
    relative = path.relative_to(services)
    in_lib, own = _folder(relative)
    if in_lib and own not in law.layers:
        return f'{relative}: lib/{own} is no layer of services/CMakeLists.txt\n'
    layers, libraries = law.allowed(own)
    if 'tests' in relative.parts:   # the build links every test with the contract
        layers, libraries = layers | {CONTRACT}, libraries | {'PROTOBUFC'}
    broken = ''
    for number, line in enumerate(path.read_text(encoding='utf-8').splitlines(), 1):
        match = INCLUDE.match(line)
        reason = match and _fault(match[2], path, own, layers, libraries, law)
        if reason:
            broken += f'services/{relative}:{number}: {match[2]}: {reason}\n'
    return broken


def _fault(header, path, own, layers, libraries, law):
    """Why this include breaks the law, or ''."""
    first = header.partition('/')[0]
    for prefix, library in LIBRARY_HEADERS.items():
        if header == prefix or (prefix.endswith('/') and header.startswith(prefix)):
            return '' if library in libraries else f'{own} may not use {library}'
    if header.startswith('lujian/'):
        return '' if CONTRACT in layers else f'{own} does not stand on the contract'
    if header.startswith('.'):
        return 'a path that climbs hides what is included'
    if '/' not in header:
        return ''           # of the same folder, of the C library, or generated from the folder's own SQL
    if first in law.layers:
        return '' if first in layers else f'{own} does not stand on {first}'
    if first in law.services or (path.parents[0] / header).exists():
        return '' if first == own or first == 'tests' else 'services do not include each other'
    return ''


def checks(tree):
    """The check, one job."""
    services = tree.root / 'services'
    files = [path for path in tree.c_files if services in path.parents]
    law = Law((services / 'CMakeLists.txt').read_text())
    return [Check('import law', f'{len(files)} C files, {len(law.layers)} layers, {len(law.services)} services',
                  [lambda: ''.join(check_file(law, services, path) for path in files)])]
