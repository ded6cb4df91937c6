/* A Redis for tests: private, on a Unix socket under mktemp, gone with the test program. */
#ifndef LUJIAN_CACHE_TESTS_CACHE_FIXTURE_H
#define LUJIAN_CACHE_TESTS_CACHE_FIXTURE_H

#include "cache/cache.h"

struct redis_fixture;

/* Started and answering; prints and returns NULL on failure. */
struct redis_fixture *redis_fixture_open(void);
void redis_fixture_close(struct redis_fixture *f); /* NULL is fine */
const char *redis_fixture_uri(const struct redis_fixture *f);
/* SIGSTOP and SIGCONT; returns when the process has stopped. */
void redis_fixture_stop(struct redis_fixture *f);
void redis_fixture_continue(struct redis_fixture *f);
void redis_fixture_kill(struct redis_fixture *f);
/* Again after a kill, empty. */
int redis_fixture_start(struct redis_fixture *f);
/* One command of words, for what a test does behind the cache's back. False: an error. */
bool redis_fixture_command(struct redis_fixture *f, int count, const char **words);
/* Does the answer to the command, as text, hold this? */
bool redis_fixture_says(struct redis_fixture *f, int count, const char **words, const char *text);

/* Options of a cache on it, with time enough for a busy machine. */
struct cache_options redis_fixture_options(const struct redis_fixture *f);

#endif
