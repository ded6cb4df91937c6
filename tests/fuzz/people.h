/* Who speaks in fuzz targets: the seed's reference facts with one principal of each role, installed
 * as the process's snapshot. */
#ifndef LUJIAN_TESTS_FUZZ_PEOPLE_H
#define LUJIAN_TESTS_FUZZ_PEOPLE_H

/* Principals `hotline`, `unit`, `supervisor` and `operator`: key id `k1`, the token is the name. */
void people_install(void);

#endif
