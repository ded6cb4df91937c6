/* Private to service/: the configuration of a replica, checked and in numbers. */
#ifndef LUJIAN_SERVICE_SETTINGS_H
#define LUJIAN_SERVICE_SETTINGS_H

#include <stdbool.h>

#include "base/conf.h"
#include "base/log.h"
#include "bus/curve.h"

struct service_definition;

struct settings {
    const char *instance, *database, *door, *pulse, *admin, *peers, *keys_dir, *clock_offset_file;
    struct curve_keys curve;
    enum log_level log_level;
    bool dev, migrate;
    int workers, committers;
    int connections;    /* to PostgreSQL, at most */
    const char *rebase; /* --rebase=CURSOR: set a stopped cursor, and end; NULL = not asked for */
};

/* Loads the skeleton's keys and the service's own; `--migrate` and `--rebase` are taken out of the
 * arguments.
 * ERR_INVALID_ARGUMENT with a text for the one who starts it; ERR_REFUSED where development
 * credentials would face a network. */
int settings_load(struct settings *ret, struct conf *conf,
                  const struct service_definition *definition, int argc, char **argv,
                  bool *ret_migrate_only);

#endif
