/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "tests/unit/flow_table.h"

#include <netinet/in.h>
#include <string.h>

#include "classifier.h"
#include "flow.h"
#include "openvswitch/match.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-port.h"
#include "ovs-rcu.h"
#include "packets.h"
#include "util.h"

struct table_rule {
    struct cls_rule cr;
    size_t index;
};

struct flow_table {
    struct classifier cls;
    struct table_rule **rules;
    size_t n, allocated;
};

struct flow_table *
flow_table_create(void)
{
    struct flow_table *table = xzalloc(sizeof *table);

    classifier_init(&table->cls, NULL);
    return table;
}

void
flow_table_destroy(struct flow_table *table)
{
    for (size_t i = 0; i < table->n; i++) {
        classifier_remove_assert(&table->cls, &table->rules[i]->cr);
    }
    classifier_destroy(&table->cls);
    for (size_t i = 0; i < table->n; i++) {
        cls_rule_destroy(&table->rules[i]->cr);
        free(table->rules[i]);
    }
    free(table->rules);
    free(table);
    ovsrcu_quiesce();
}

char *
flow_table_add(struct flow_table *table, const char *flow, size_t index)
{
    struct cls_conjunction conjunctions[64];
    size_t n_conjunctions = 0;
    enum ofputil_protocol usable;
    struct ofputil_flow_mod fm;
    const struct ofpact *a;
    struct match match;

    char *error = parse_ofp_flow_mod_str(&fm, flow, NULL, NULL, OFPFC_ADD,
                                         &usable);
    if (error) {
        return error;
    }

    OFPACT_FOR_EACH (a, fm.ofpacts, fm.ofpacts_len) {
        if (a->type == OFPACT_CONJUNCTION) {
            const struct ofpact_conjunction *oc = ofpact_get_CONJUNCTION(a);

            ovs_assert(n_conjunctions < ARRAY_SIZE(conjunctions));
            conjunctions[n_conjunctions].id = oc->id;
            conjunctions[n_conjunctions].clause = oc->clause;
            conjunctions[n_conjunctions].n_clauses = oc->n_clauses;
            n_conjunctions++;
        }
    }

    minimatch_expand(&fm.match, &match);
    struct table_rule *rule = xmalloc(sizeof *rule);
    cls_rule_init(&rule->cr, &match, fm.priority);
    rule->index = index;
    minimatch_destroy(&fm.match);
    free(fm.ofpacts);
    if (classifier_find_rule_exactly(&table->cls, &rule->cr,
                                     OVS_VERSION_MIN)) {
        cls_rule_destroy(&rule->cr);
        free(rule);
        return xasprintf("%s: another flow is the same", flow);
    }
    classifier_insert(&table->cls, &rule->cr, OVS_VERSION_MIN, conjunctions,
                      n_conjunctions);
    if (table->n >= table->allocated) {
        table->rules = x2nrealloc(table->rules, &table->allocated,
                                  sizeof *table->rules);
    }
    table->rules[table->n++] = rule;
    return NULL;
}

size_t
flow_table_lookup(const struct flow_table *table,
                  const struct flow_table_packet *packet)
{
    struct flow flow;

    memset(&flow, 0, sizeof flow);
    flow.regs[0] = packet->reg0;
    flow.regs[1] = packet->reg1;
    flow.pkt_mark = packet->pkt_mark;
    flow.in_port.ofp_port = u16_to_ofp(packet->in_port);
    flow.actset_output = u16_to_ofp(packet->actset_output);
    flow.vlans[0].tci = htons(packet->vlan_tci);
    memcpy(flow.dl_src.ea, packet->dl_src, sizeof flow.dl_src.ea);
    flow.dl_type = htons(packet->dl_type);
    flow.nw_proto = packet->nw_proto;
    flow.nw_tos = packet->nw_tos;
    if (packet->later_fragment) {
        flow.nw_frag = FLOW_NW_FRAG_ANY | FLOW_NW_FRAG_LATER;
    }
    if (packet->dl_type == ETH_TYPE_IP) {
        memcpy(&flow.nw_src, packet->nw_src, sizeof flow.nw_src);
        memcpy(&flow.nw_dst, packet->nw_dst, sizeof flow.nw_dst);
    } else if (packet->dl_type == ETH_TYPE_IPV6) {
        memcpy(&flow.ipv6_src, packet->nw_src, sizeof flow.ipv6_src);
        memcpy(&flow.ipv6_dst, packet->nw_dst, sizeof flow.ipv6_dst);
    }
    flow.tp_src = htons(packet->tp_src);
    flow.tp_dst = htons(packet->tp_dst);
    flow.tcp_flags = htons(packet->tcp_flags);

    const struct cls_rule *cr = classifier_lookup(&table->cls, OVS_VERSION_MIN,
                                                  &flow, NULL);
    return cr ? CONTAINER_OF(cr, struct table_rule, cr)->index : SIZE_MAX;
}
