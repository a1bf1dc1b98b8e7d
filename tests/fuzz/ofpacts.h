/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the targets for OpenFlow actions share.
 */
#ifndef TESTS_FUZZ_OFPACTS_H
#define TESTS_FUZZ_OFPACTS_H

#include <stdbool.h>
#include <stddef.h>

struct ofpact;

/* Whether Open vSwitch itself prints, parses, encodes and decodes all of these
 * actions without a loss.  See docs/reliability.md for those it does not. */
bool ofpacts_are_faithful(const struct ofpact *, size_t len);

/* Ends the target if the actions, if they are faithful, do not read back from
 * their text. */
void ofpacts_must_read_back(const struct ofpact *, size_t len);

#endif /* TESTS_FUZZ_OFPACTS_H */
