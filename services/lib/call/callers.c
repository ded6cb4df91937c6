/* Callers: the cluster's own keys from the peers file, everyone else's from the snapshot.
 *
 * Invariant: principals of services are made once a name and never freed, so a request may hold one
 * while the file is read again. */
#include "call/callers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/log.h"
#include "base/util.h"
#include "bus/peers.h"
#include "loop/loop.h"
#include "wire/rules.h"

#define PEERS_CHECK_MS   1000
#define SERVICE_NAMES    32
#define SERVICE_PREFIX   "service:"
#define SERVICE_NAME_MAX 32

struct service_principal {
    char id[sizeof(SERVICE_PREFIX) + SERVICE_NAME_MAX];
    struct principal principal;
};

struct callers {
    const char *path;
    struct peers peers;
    bool loaded;
    struct timespec read_at; /* the file's mtime then */
    off_t read_size;
    ino_t read_inode;
    struct loop_timer *timer;
    struct service_principal *services[SERVICE_NAMES];
};

static const char *const no_texts[] = { NULL };

/* The edge is the one service that speaks for others. */
static uint32_t service_roles(const char *name)
{
    return strcmp(name, "gateway") == 0 ? ROLE_BIT_EDGE : ROLE_BIT_SERVICE;
}

static const struct principal *service_principal(struct callers *cs, const char *name)
{
    for (int i = 0; i < SERVICE_NAMES; i++) {
        struct service_principal *s = cs->services[i];
        if (!s) {
            s = calloc(1, sizeof(*s));
            assert_always(s);
            snprintf(s->id, sizeof(s->id), SERVICE_PREFIX "%.*s", SERVICE_NAME_MAX, name);
            s->principal = (struct principal){ .id = s->id,
                                               .key_id = "peer",
                                               .roles = service_roles(name),
                                               .jurisdiction = "",
                                               .units = no_texts,
                                               .sources = no_texts,
                                               .curve_public = "",
                                               .token_sha256 = "" };
            cs->services[i] = s;
        }
        if (strcmp(s->id + strlen(SERVICE_PREFIX), name) == 0)
            return &s->principal;
    }
    return NULL;
}

static bool file_changed(struct callers *cs)
{
    struct stat st;
    if (stat(cs->path, &st) < 0)
        return false; /* it is replaced by rename: what was read stands */
    if (cs->loaded && st.st_mtim.tv_sec == cs->read_at.tv_sec &&
        st.st_mtim.tv_nsec == cs->read_at.tv_nsec && st.st_size == cs->read_size &&
        st.st_ino == cs->read_inode)
        return false;
    cs->read_at = st.st_mtim;
    cs->read_size = st.st_size;
    cs->read_inode = st.st_ino;
    return true;
}

static int peers_load(struct callers *cs)
{
    struct peers fresh;
    int r = peers_read(cs->path, &fresh);
    if (r < 0)
        return r;
    if (cs->loaded)
        peers_clear(&cs->peers);
    cs->peers = fresh;
    cs->loaded = true;
    return 0;
}

static void on_check(void *arg)
{
    struct callers *cs = arg;
    if (file_changed(cs) && peers_load(cs) < 0)
        log_error_last(LOG_WARN, "PEERS-UNREADABLE");
}

int callers_open(struct callers **ret, struct loop *loop, const char *peers_path)
{
    struct callers *cs = calloc(1, sizeof(*cs));
    assert_always(cs);
    cs->path = peers_path;
    if (peers_path[0]) {
        file_changed(cs);
        int r = peers_load(cs);
        if (r < 0) {
            callers_close(cs);
            return err_wrap(r, "peers file");
        }
        cs->timer = loop_timer_new(loop, on_check, cs);
        loop_timer_start(cs->timer, PEERS_CHECK_MS, PEERS_CHECK_MS);
    }
    *ret = cs;
    return 0;
}

void callers_close(struct callers *cs)
{
    if (!cs)
        return;
    loop_timer_free(cs->timer);
    if (cs->loaded)
        peers_clear(&cs->peers);
    for (int i = 0; i < SERVICE_NAMES; i++)
        free(cs->services[i]);
    free(cs);
}

bool callers_authenticate(void *ctx, const char *curve_public, char out_user[DOOR_USER_MAX])
{
    struct callers *cs = ctx;
    const struct peer *peer = cs->loaded ? peers_by_key(&cs->peers, curve_public) : NULL;
    int length = -1;
    if (peer) {
        length = snprintf(out_user, DOOR_USER_MAX, SERVICE_PREFIX "%s/%s", peer->service,
                          peer->instance);
    } else {
        const struct snapshot *s = snapshot_get();
        const struct principal *p = s ? snapshot_principal_by_curve(s, curve_public) : NULL;
        /* The prefix is the cluster's own: a row of the registry cannot make a service. */
        if (p && strncmp(p->id, SERVICE_PREFIX, strlen(SERVICE_PREFIX)) != 0)
            length = snprintf(out_user, DOOR_USER_MAX, "%s/%s", p->id, p->key_id);
        if (s)
            snapshot_put(s);
    }
    return length > 0 && length < DOOR_USER_MAX;
}

static const struct principal *speaker_of(struct callers *cs, const struct snapshot *snapshot,
                                          const char *user)
{
    const char *slash = strchr(user, '/');
    char id[DOOR_USER_MAX];
    if (!slash || (size_t)(slash - user) >= sizeof(id))
        return NULL;
    snprintf(id, sizeof(id), "%.*s", (int)(slash - user), user);
    if (strncmp(id, SERVICE_PREFIX, strlen(SERVICE_PREFIX)) != 0)
        return snapshot_principal_key(snapshot, id, slash + 1);
    const char *name = id + strlen(SERVICE_PREFIX);
    const struct peer *peer = cs->loaded ? peers_by_instance(&cs->peers, slash + 1) : NULL;
    if (!peer || strcmp(peer->service, name) != 0)
        return NULL;
    return service_principal(cs, name);
}

int callers_resolve(struct callers *callers, const struct snapshot *snapshot, const char *user,
                    const char *on_behalf, struct caller *ret)
{
    struct caller c = { .speaker = speaker_of(callers, snapshot, user) };
    if (!c.speaker)
        return err_set(ERR_UNAUTHENTICATED, "the key is not in force any more");
    c.actor = c.speaker;
    if (on_behalf[0]) {
        if (!(c.speaker->roles & ROLE_BIT_EDGE))
            return err_set_reason(ERR_PERMISSION_DENIED, "on_behalf",
                                  "only an edge acts for others");
        c.actor = snapshot_principal(snapshot, on_behalf);
        if (!c.actor)
            return err_set(ERR_UNAUTHENTICATED, "the principal acted for is not in force");
    }
    *ret = c;
    return 0;
}

bool caller_is_own(const struct caller *caller)
{
    return (caller->actor->roles & (ROLE_BIT_EDGE | ROLE_BIT_SERVICE)) != 0 &&
           caller->actor == caller->speaker;
}
