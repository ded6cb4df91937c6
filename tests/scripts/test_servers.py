"""PostgreSQL and Redis as the cluster runs them: durable, private, recovering."""
import os
import shutil
import signal
import socket
import tempfile
from pathlib import Path

import psycopg2
import pytest

from cluster import identity, leftovers, ports, postgres
from cluster.errors import ClusterError
from cluster.postgres import Postgres
from cluster.processes import Backoff, Supervisor
from cluster.redis import Redis

HOST = '127.0.0.1'


def run(run_dir):
    """A supervisor and a PostgreSQL in run_dir, not started."""
    run_dir.mkdir(mode=0o711, exist_ok=True)
    supervisor = Supervisor(Backoff(first_s=0.05, most_s=0.5))
    taken = ports.Ports()
    return supervisor, Postgres(run_dir, supervisor, HOST, taken.take(), 60)


@pytest.fixture(scope='module')
def server(run_dir):
    """A running PostgreSQL."""
    supervisor, made = run(run_dir)
    made.start()
    yield made
    supervisor.close()


def ask(uri, statement):
    """The first value of the answer."""
    connection = psycopg2.connect(uri)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchone()[0] if cursor.description else None
    finally:
        connection.close()


@pytest.mark.parametrize('name, value', [
    ('fsync', 'on'), ('synchronous_commit', 'on'), ('full_page_writes', 'on'), ('data_checksums', 'on'),
    ('password_encryption', 'scram-sha-256'), ('server_encoding', 'UTF8'), ('max_connections', '60'),
    ('log_error_verbosity', 'terse'), ('unix_socket_directories', ''), ('listen_addresses', HOST),
    ('recovery_init_sync_method', 'syncfs')])
def test_settings(server, name, value):
    assert ask(server.uri(), f'SHOW {name}') == value


def test_the_data_belong_to_an_unprivileged_user_and_nobody_else_may_look(server):
    status = server.data.stat()
    assert status.st_mode & 0o777 == 0o700
    assert status.st_uid != 0
    for pid in server.pids():
        assert os.stat(f'/proc/{pid}').st_uid != 0


def test_a_wrong_password_is_refused(server):
    with pytest.raises(psycopg2.OperationalError, match='password authentication failed'):
        psycopg2.connect(server.uri(password='wrong'))


def test_a_service_owns_its_database_and_enters_no_other(server):
    one, other = server.create('registry'), server.create('complaints')
    ask(one, 'CREATE TABLE IF NOT EXISTS t (n int)')
    assert ask(one, 'SELECT current_database()') == 'lujian_registry'
    assert 'target_session_attrs=primary' in one
    assert server.create('registry') == one
    with pytest.raises(psycopg2.OperationalError, match='permission denied for database'):
        psycopg2.connect(other.replace('/lujian_complaints?', '/lujian_registry?'))
    assert not ask(one, 'SELECT rolsuper FROM pg_roles WHERE rolname = current_user')


def test_a_row_in_an_error_does_not_reach_the_log(server):
    uri = server.create('registry')
    ask(uri, 'DROP TABLE IF EXISTS person')
    ask(uri, 'CREATE TABLE person (phone text UNIQUE)')
    connection = psycopg2.connect(uri)
    with connection.cursor() as cursor:
        cursor.execute('PREPARE p AS INSERT INTO person VALUES ($1)')
        cursor.execute("INSERT INTO person SELECT '1380' || '0013800'")
        with pytest.raises(psycopg2.errors.UniqueViolation):
            cursor.execute("INSERT INTO person SELECT '1380' || '0013800'")
    connection.close()
    log = server.log.read_text()
    assert 'duplicate key value violates unique constraint' in log
    assert '13800013800' not in log


def test_a_crash_is_recovered_and_what_was_committed_is_there(server):
    ask(server.uri(), 'CREATE TABLE kept AS SELECT 7 AS n')
    before = server.pids()[0]
    server.crash()
    assert server.pids()[0] != before
    assert ask(server.uri(), 'SELECT n FROM kept') == 7
    assert 'automatic recovery in progress' in server.log.read_text()


def test_a_restart_breaks_connections_and_loses_nothing(server):
    ask(server.uri(), 'CREATE TABLE restarted AS SELECT 7 AS n')
    connection = psycopg2.connect(server.uri())
    server.restart()
    with pytest.raises(psycopg2.OperationalError):
        connection.cursor().execute('SELECT 1')
    assert ask(server.uri(), 'SELECT n FROM restarted') == 7


def test_frozen_it_answers_nobody_and_then_goes_on(server):
    connection = psycopg2.connect(server.uri())
    server.sigstop()
    try:
        states = [identity.state(pid) for pid in server.pids()]
        assert states.count('T') > 4 and set(states) <= {'T', 'Z'}
        with pytest.raises(psycopg2.OperationalError):
            psycopg2.connect(server.uri(), connect_timeout=2)
    finally:
        server.sigcont()
    with connection.cursor() as cursor:
        cursor.execute('SELECT 1')
        assert cursor.fetchone() == (1,)
    connection.close()


def test_an_external_restart_finds_its_settings_in_the_data_directory(server):
    assert f'port = {server.port}' in (server.data / 'postgresql.conf').read_text()


def test_data_survive_a_stop(fresh_dir):
    supervisor, first = run(fresh_dir)
    first.start()
    uri = first.create('registry')
    ask(uri, 'CREATE TABLE kept AS SELECT 7 AS n')
    supervisor.close()
    assert 'database system is shut down' in first.log.read_text()
    supervisor, second = run(fresh_dir)
    second.start()
    assert ask(second.create('registry'), 'SELECT n FROM kept') == 7
    supervisor.close()


@pytest.mark.skipif(os.geteuid() != 0, reason='only root runs PostgreSQL as somebody else')
def test_where_the_checkout_is_closed_the_data_live_elsewhere_and_go_with_purge():
    home = Path(tempfile.mkdtemp(prefix='lujian-test-closed-'))
    run_dir = home / 'run'
    try:
        supervisor, made = run(run_dir)
        made.start()
        place = made.place()
        assert made.data.is_symlink() and place.parent == postgres.FALLBACK
        assert ask(made.uri(), 'SELECT 1') == 1
        with pytest.raises(ClusterError, match='in use by process'):
            postgres._reclaim(place, 'postgres')
        supervisor.close()
        # The run directory is removed by hand, and another takes its place: nobody can use the old data.
        made.data.unlink()
        supervisor, again = run(run_dir)
        again.start()
        assert again.place() == place
        supervisor.close()
        leftovers.purge(run_dir)
        assert not place.exists() and not run_dir.exists()
    finally:
        shutil.rmtree(home)


def test_a_server_that_cannot_start_says_why(fresh_dir):
    supervisor, made = run(fresh_dir)
    with socket.socket() as squatter:
        squatter.bind((HOST, made.port))
        squatter.listen()
        with pytest.raises(ClusterError, match='(?s)PostgreSQL does not answer.*could not bind'):
            made.start()
    supervisor.close()


def test_redis_answers_keeps_nothing_and_comes_back(fresh_dir):
    fresh_dir.mkdir(mode=0o711)
    supervisor = Supervisor(Backoff(first_s=0.05))
    made = Redis(fresh_dir, supervisor, HOST, ports.Ports().take())
    made.start()
    assert made.url == f'redis://{HOST}:{made.port}'
    assert _redis(made, 'SET a 1') == '+OK'
    assert _redis(made, 'CONFIG GET save').endswith('$0')
    child = supervisor.child('redis')
    made.kill()
    supervisor.wait(lambda: child.starts == 2, 10, 'a restart')
    made.wait_ready()
    assert _redis(made, 'GET a') == '$-1'
    supervisor.close()
    assert child.exits[0].code == -signal.SIGKILL
    assert sorted(path.name for path in (fresh_dir / 'redis').iterdir()) == ['redis.conf']


def _redis(server, command):
    with socket.create_connection((server.host, server.port), timeout=5) as connection:
        connection.sendall(command.encode() + b'\r\n')
        return connection.recv(4096).decode().strip()
