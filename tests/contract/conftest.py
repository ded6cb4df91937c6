"""What the contract's tests share: protoc with our plugin, and what it makes of the contract."""
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROTO = ROOT / 'proto'
INCLUDES = '/usr/include'


def run_plugin(sources, out, *files):
    """protoc with the plugin over files below the folder `sources`; (status, what it said)."""
    done = subprocess.run(
        ['protoc', f'-I{sources}', f'-I{PROTO}', f'-I{INCLUDES}',
         f'--plugin=protoc-gen-lujian={PROTO / "plugin/protoc-gen-lujian"}', f'--lujian_out={out}',
         '--include_imports', f'--descriptor_set_out={out}/full.binpb', *files],
        capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr


@pytest.fixture(scope='session')
def generated(tmp_path_factory):
    """The folder with everything that is generated from the contract, as the build makes it."""
    out = tmp_path_factory.mktemp('contract')
    files = sorted(str(path.relative_to(PROTO)) for path in PROTO.glob('lujian/**/*.proto'))
    status, said = run_plugin(PROTO, out, *files)
    assert status == 0, said
    (out / 'python').mkdir()
    subprocess.run([sys.executable, '-B', PROTO / 'plugin/strip.py', out / 'full.binpb', out / 'lujian.binpb',
                    out / 'messages.binpb'], check=True, timeout=60)
    subprocess.run(['protoc', f'--descriptor_set_in={out}/lujian.binpb', f'--python_out={out}/python', *files],
                   check=True, timeout=60)
    return out


@pytest.fixture(scope='session')
def openapi(generated):
    """openapi.json as it is embedded."""
    return json.loads((generated / 'openapi.json').read_text(encoding='utf-8'))


@pytest.fixture(scope='session')
def pb2(generated):
    """pb2('complaints.v1.complaint') imports that generated module; descriptor.proto must not be needed."""
    sys.path.insert(0, str(generated / 'python'))
    yield lambda name: importlib.import_module(f'lujian.{name}_pb2')
    sys.path.remove(str(generated / 'python'))
