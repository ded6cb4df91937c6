/* Document numbers (文号): 发文机关代字〔年份〕序号号, as GB/T 9704-2012 writes them and as people
 * do. */
#ifndef LUJIAN_LAW_DOCNUMBER_H
#define LUJIAN_LAW_DOCNUMBER_H

#include <stdint.h>

#define DOCNUMBER_WORD_SIZE 128
#define DOCNUMBER_TEXT_SIZE 192

struct docnumber {
    char text[DOCNUMBER_TEXT_SIZE]; /* normal form: 鲁政办字〔2024〕9号 */
    char word[DOCNUMBER_WORD_SIZE]; /* of organ and kind, without a 字 at its end: 鲁政办 */
    int year;                       /* 1900 to 2199 */
    uint32_t number;                /* 1 to 999,999,999 */
    uint32_t part;                  /* of a number in parts, 9-2; 0 = none */
};

/* Takes brackets of any kind ( [ 【 （ 〔, 第 before the number, zeros at its head, spaces around
 * it, 号 and 號; the normal form has the hexagonal brackets of the standard and none of the rest.
 * The word and its script stay as they are. ERR_INVALID_ARGUMENT: anything else. */
int docnumber_parse(const char *text, struct docnumber *ret_number);

#endif
