"""A stand-in for a service's binary: it takes the same configuration, migrates, tells its readiness, drains.

`fake-mode` in its configuration makes it fail: `crash` ends it at once, `stubborn` ignores SIGTERM, `unready` never
gets ready, `migrate-fails` fails its migration.
"""
import configparser
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEYS = ('instance', 'database', 'door', 'pulse', 'admin', 'curve-key-file', 'peers', 'keys-dir', 'clock-offset-file',
        'redis', 'dev')


def read(path):
    """A flat INI file as a dict."""
    parser = configparser.ConfigParser(interpolation=None)
    with open(path, encoding='utf-8') as text:
        parser.read_string('[_]\n' + text.read())
    return dict(parser['_'])


def check(service, config):
    """Refuse what a real service could not work with."""
    for key in KEYS + (('http',) if service == 'gateway' else ()):
        assert config.get(key), f'no {key}'
    for path in (config['curve-key-file'], os.path.join(config['keys-dir'], 'page.key')):
        assert os.stat(path).st_mode & 0o777 == 0o600, path
    assert len(read(config['curve-key-file'])['secret']) == 40
    assert os.stat(config['clock-offset-file']).st_size == 8
    if service == 'complaints':
        with open(os.path.join(config['keys-dir'], 'caller-v1.key'), encoding='ascii') as key:
            assert len(bytes.fromhex(key.read().strip())) == 32
    if service == 'registry':
        assert read(config['bootstrap'])['principal'] == 'operator'
    peers = configparser.ConfigParser(interpolation=None)
    peers.read(config['peers'])
    assert peers[config['instance']]['service'] == service


def migrate(config):
    """Leave a trace in the database, once."""
    import psycopg2
    connection = psycopg2.connect(config['database'])
    with connection, connection.cursor() as cursor:
        cursor.execute('CREATE TABLE IF NOT EXISTS migrated (at_migration int PRIMARY KEY)')
        cursor.execute('INSERT INTO migrated VALUES (1) ON CONFLICT DO NOTHING')
    connection.close()


def serve(config):
    """Answer on the admin address until SIGTERM."""
    unready = config.get('fake-mode') == 'unready'

    class Admin(BaseHTTPRequestHandler):
        """/readyz and nothing else."""

        def do_GET(self):
            """Ready, or not."""
            self.send_response(503 if unready else 200)
            self.end_headers()
            self.wfile.write(b'the mirror is empty\n' if unready else b'ready\n')

        def log_message(self, *_):
            """Be quiet."""

    host, port = config['admin'].split(':')
    ThreadingHTTPServer.allow_reuse_address = True
    ThreadingHTTPServer((host, int(port)), Admin).serve_forever()


def end(*_):
    """SIGTERM: the drain of a service that has nothing to do."""
    print('drained', flush=True)
    os._exit(0)


def main(service, argv):
    """As a service's main."""
    config_path = next(arg.partition('=')[2] for arg in argv if arg.startswith('--config='))
    config = read(config_path)
    mode = config.get('fake-mode')
    signal.signal(signal.SIGTERM, signal.SIG_IGN if mode == 'stubborn' else end)
    check(service, config)
    if '--migrate' in argv:
        if mode == 'migrate-fails':
            sys.exit('migration 2 does not apply')
        migrate(config)
        return
    print(f'{config["instance"]} starts, probe={os.environ.get("FAKE_PROBE", "")}', flush=True)
    if mode == 'crash':
        sys.exit('cannot go on: the fake was told to crash')
    serve(config)


if __name__ == '__main__':
    main(sys.argv[1], sys.argv[2:])
