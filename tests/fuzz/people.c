/* One principal of each role that comes in from outside. */
#include "people.h"

#include <string.h>

#include "base/sha.h"
#include "base/time.h"
#include "base/util.h"
#include "reference/tests/reference_fixture.h"

static const struct {
    const char *id, *jurisdiction, *source;
    Role role;
} people[] = {
    { "hotline", "3701", "test-*", ROLE_HOTLINE },
    { "unit", "370102", NULL, ROLE_UNIT },
    { "supervisor", "3701", NULL, ROLE_SUPERVISOR },
    { "operator", "37", NULL, ROLE_OPERATOR },
};

void people_install(void)
{
    struct reference_fixture f;
    reference_fixture_init(&f);
    reference_fixture_load_seed(&f);
    for (size_t i = 0; i < ARRAY_LEN(people); i++) {
        uint8_t digest[SHA256_SIZE];
        char token[SHA256_TEXT_SIZE];
        sha256(people[i].id, strlen(people[i].id), digest);
        hex_encode(digest, sizeof(digest), token);
        reference_fixture_principal(&f, people[i].id, "k1", people[i].role, people[i].jurisdiction,
                                    NULL, people[i].source, token, false);
    }
    snapshot_install(reference_fixture_build(&f, day_from_ymd(2026, 11, 24)));
    reference_fixture_clear(&f);
}
