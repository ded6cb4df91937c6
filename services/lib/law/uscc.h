/* Unified social credit code (统一社会信用代码), GB 32100-2015, with the organisation code (GB
 * 11714) inside.
 *
 * 18 characters of 0-9 A-Z without I O S V Z: 1 registering department, 2 kind, 3-8 division, 9-17
 * organisation code with its own check character, 18 check character. Codes with a wrong last
 * character have really been issued, so there are two grades of doubt. */
#ifndef LUJIAN_LAW_USCC_H
#define LUJIAN_LAW_USCC_H

#define USCC_SIZE 19 /* and NUL */

enum uscc_grade {
    USCC_OK,     /* both checks agree and the prefix is one of the standard's */
    USCC_WARN,   /* one of the checks disagrees, or the prefix is not known: accept what others
                  * issued, doubt   what somebody typed */
    USCC_REJECT, /* the shape is wrong, or both checks disagree: not such a code */
};

struct uscc {
    enum uscc_grade grade;
    /* What is wrong, the first that applies: shape, checks, check_character, organisation_check,
     * prefix; "" */
    const char *reason_code;
    const char *reason_zh, *reason_en; /* "" where nothing is wrong */
    /* The rest is empty where the shape is wrong. */
    char code[USCC_SIZE];             /* upper-case */
    char division[7];                 /* GB/T 2260, six digits; perhaps historic */
    char organisation[10];            /* GB 11714, nine characters */
    char check_expected;              /* what character 18 should be */
    char organisation_check_expected; /* what character 17 should be */
};

/* Lower-case letters are taken for upper-case; nothing else is mended. */
struct uscc uscc_check(const char *text);

#endif
