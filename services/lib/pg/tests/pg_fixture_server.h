/* Private to the fixture: one PostgreSQL server, its directory and its guard. */
#ifndef LUJIAN_PG_TESTS_PG_FIXTURE_SERVER_H
#define LUJIAN_PG_TESTS_PG_FIXTURE_SERVER_H

#include <stdbool.h>
#include <sys/types.h>

#define PG_SERVER_PATH_SIZE 256

struct pg_server {
    char directory[PG_SERVER_PATH_SIZE]; /* "" = none was started */
    char uri[1024];                      /* superuser, database postgres */
    bool fsync;
    int port;
    pid_t postmaster, guard;
    int guard_fd;
};

/* Close it whatever is returned. */
int pg_server_open(struct pg_server *f, bool no_fsync, const char *conf, const char *data_copy);
void pg_server_close(struct pg_server *f);
int pg_server_signal(struct pg_server *f, int number);
int pg_server_crash(struct pg_server *f);
int pg_server_run(struct pg_server *f, const char *const *argv);

#endif
