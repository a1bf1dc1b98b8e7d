/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a target says that a property does not hold: it ends, which is a crash
 * to libFuzzer.
 */
#ifndef TESTS_FUZZ_PROPERTY_H
#define TESTS_FUZZ_PROPERTY_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the target unless CONDITION holds. */
#define REQUIRE(CONDITION)                                                \
    do {                                                                  \
        if (!(CONDITION)) {                                               \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__,    \
                    #CONDITION);                                          \
            abort();                                                      \
        }                                                                 \
    } while (0)

/* Ends the target unless the texts A and B are the same. */
#define REQUIRE_SAME(A, B)                                                \
    do {                                                                  \
        if (strcmp(A, B)) {                                               \
            fprintf(stderr, "%s:%d: %s is not %s:\n%s\n--- but ---\n%s\n", \
                    __FILE__, __LINE__, #A, #B, A, B);                    \
            abort();                                                      \
        }                                                                 \
    } while (0)

#ifdef __cplusplus
}
#endif

#endif /* TESTS_FUZZ_PROPERTY_H */
