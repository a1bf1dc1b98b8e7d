/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the targets for datapath actions share.
 */
#ifndef TESTS_FUZZ_ODP_ACTIONS_H
#define TESTS_FUZZ_ODP_ACTIONS_H

#include <stdbool.h>
#include <stddef.h>

struct nlattr;
struct odp_rmirror;
struct ofpbuf;

/* Appends 'parsed' to 'out' as an OVS_ACTION_ATTR_RMIRROR. */
void odp_rmirror_encode(const struct odp_rmirror *parsed, struct ofpbuf *out);

/* Whether 'actions', 'len' bytes, are well-formed, and of kinds that Open
 * vSwitch itself prints and parses without a loss.  See docs/reliability.md for
 * others. */
bool odp_actions_are_faithful(const struct nlattr *actions, size_t len);

/* Ends the target if 'actions' are faithful and, printed, do not read back as
 * the same bytes. */
void odp_actions_must_read_back(const struct nlattr *actions, size_t len);

#endif /* TESTS_FUZZ_ODP_ACTIONS_H */
