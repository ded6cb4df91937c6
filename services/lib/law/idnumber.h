/* Citizen identity number (公民身份号码), GB 11643-1999, and its old form of 15 digits.
 *
 * A number is personal data: nothing here writes one into an error, and whoever calls must not
 * either. */
#ifndef LUJIAN_LAW_IDNUMBER_H
#define LUJIAN_LAW_IDNUMBER_H

#include <stdbool.h>
#include <stdint.h>

#define IDNUMBER_SIZE 19 /* and NUL */

struct idnumber {
    char full[IDNUMBER_SIZE]; /* 18 characters; an old number brought to the new form */
    char division[7];         /* of the first registration, often historic */
    int32_t birth;            /* day */
    bool male;
    bool old_form;         /* 15 digits: no check character stood guard over it */
    bool division_unknown; /* no province has these first two digits: worth a warning, not a refusal
                            */
};

/* ERR_INVALID_ARGUMENT with the reason shape, birth_date or check_character. A birth that lies
 * ahead of today is for the caller to see: there is no clock here. Lower-case x is taken for X; the
 * years are 1800 to 2199, and 1900 to 1999 for the old form. */
int idnumber_parse(const char *text, struct idnumber *ret_number);

#endif
