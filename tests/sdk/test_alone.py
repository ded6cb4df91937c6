"""liblujian without a cluster: what its header promises."""
import re

from cluster.paths import build_dir
from conftest import run


# ---- what it is made of

def own_objects():
    """The library's, one a source."""
    return sorted((build_dir() / 'services/sdk/c/CMakeFiles/lujian_objects.dir').glob('*.o'))


def test_no_output_no_thread_no_signal_no_end_of_the_process(installed):
    """Of what could print there is write(2), where the cursor goes into its file."""
    forbidden = re.compile(
        r'_*(v?[fd]?printf|f?puts|f?putc|putchar|fwrite|writev|perror|v?syslog|v?warnx?|v?errx?|stdout|stderr'
        r'|pthread_\w+|thrd_create|fork|signal|sigaction|sigprocmask|raise|kill|abort|exit|quick_exit|assert_fail)'
        r'(_chk)?')
    known = 'printf', 'vfprintf', '__fprintf_chk', 'dprintf', 'puts', '_exit', '__assert_fail'
    assert all(map(forbidden.fullmatch, known))
    wanted = {path.name: set(re.findall(r' U (\w+)', run('nm', '--undefined-only', path))) for path in own_objects()}
    assert [name for name, symbols in wanted.items() if 'write' in symbols] == ['cursor.c.o']
    linked = run('nm', '-D', '--undefined-only', installed.prefix / 'lib/liblujian.so')
    names = set().union(*wanted.values(), re.findall(r' [Uw] (\w+)', linked))
    assert names >= {'zmq_send', 'malloc'} and not list(filter(forbidden.fullmatch, names))


def test_no_global_state(installed):
    """Nothing of it can be written to but tables of pointers, which the loader fills in and then makes read-only."""
    for path in (*own_objects(), installed.prefix / 'lib/liblujian.a'):
        sections = re.findall(r'\] (\.\S+) +(?:PROGBITS|NOBITS) +\w+ \w+ (\w+) \w+ +(\w+)', run('readelf', '-SW', path))
        assert '.text' in {name for name, _, _ in sections}
        written = {name for name, size, flags in sections if 'W' in flags and int(size, 16)}
        assert {name for name in written if not name.startswith('.data.rel.ro')} == set(), path
        assert ' C ' not in run('nm', path)
    shared = installed.prefix / 'lib/liblujian.so'
    assert 'GNU_RELRO' in run('readelf', '-lW', shared)
    # What the compiler's own start of every shared object has.
    kept = re.findall(r'^(\S+) *\|.*\|(\.t?data|\.t?bss)$', run('nm', '-f', 'sysv', shared), re.M)
    assert {name for name, _ in kept} <= {'__dso_handle', '__TMC_END__', 'completed.0'}
