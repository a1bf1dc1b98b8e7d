// SPDX-License-Identifier: GPL-2.0

#include <linux/in.h>
#include <linux/jhash.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>
#include <net/ipv6.h>

#include "mirror.h"
#include "session.h"

unsigned int rmirror_max_sessions = RMIRROR_MAX_SESSIONS;
module_param_named(max_sessions, rmirror_max_sessions, uint, 0644);
MODULE_PARM_DESC(max_sessions,
		 "Largest number of sessions in a network namespace (default "
		 __stringify(RMIRROR_MAX_SESSIONS) ")");

/* These two do for struct rmirror_key what rhashtable does for any bytes, at half
 * the price.
 */
static u32 key_hash(const void *data, u32 len, u32 seed)
{
	const struct rmirror_key *key = data;
	const __be32 *target = key->target.s6_addr32;

	return jhash_3words((__force u32)(target[0] ^ target[2] ^ key->key),
			    (__force u32)(target[1] ^ target[3]),
			    key->ttl << 16 | key->tos << 8 | key->flags, seed);
}

static int key_compare(struct rhashtable_compare_arg *arg, const void *object)
{
	const struct rmirror_session *session = object;
	const struct rmirror_key *a = &session->key, *b = arg->key;

	return !ipv6_addr_equal(&a->target, &b->target) || a->key != b->key ||
	       a->ttl != b->ttl || a->tos != b->tos || a->flags != b->flags;
}

static const struct rhashtable_params session_params = {
	.head_offset = offsetof(struct rmirror_session, node),
	.key_offset = offsetof(struct rmirror_session, key),
	.key_len = sizeof(struct rmirror_key),
	.hashfn = key_hash,
	.obj_cmpfn = key_compare,
	.automatic_shrinking = true,
};

static const struct rhashtable_params target_params = {
	.head_offset = offsetof(struct rmirror_target, node),
	.key_offset = offsetof(struct rmirror_target, addr),
	.key_len = sizeof(struct in6_addr),
	.automatic_shrinking = true,
};

/* Tells whether there can be a session with @key: whether its target is a
 * unicast address of another host and its TTL, which the attributes of an
 * action cannot have 0, is not 0.
 */
bool rmirror_key_is_valid(const struct rmirror_key *key)
{
	if (!key->ttl)
		return false;
	if (rmirror_is_ipv4(key)) {
		__be32 target = key->target.s6_addr32[3];

		return !ipv4_is_zeronet(target) && !ipv4_is_loopback(target) &&
		       !ipv4_is_multicast(target) && !ipv4_is_lbcast(target);
	}
	return !ipv6_addr_any(&key->target) &&
	       !ipv6_addr_loopback(&key->target) &&
	       !ipv6_addr_is_multicast(&key->target);
}

/* Returns the session with @key, or NULL. The caller is in an RCU read-side
 * critical section, in which alone the session is sure to exist.
 */
struct rmirror_session *rmirror_session_find(struct rmirror_net *rnet,
					     const struct rmirror_key *key)
{
	return rhashtable_lookup(&rnet->sessions, key, session_params);
}

/* Tells whether copies are sent to @addr, an IPv4 address being IPv4-mapped.
 * The caller is in an RCU read-side critical section.
 */
bool rmirror_is_target(struct rmirror_net *rnet, const struct in6_addr *addr)
{
	return rhashtable_lookup(&rnet->targets, addr, target_params);
}

static void session_free(struct rmirror_session *session)
{
	dst_cache_destroy(&session->route);
	free_percpu(session->pcpu);
	kfree(session);
}

static void session_free_rcu(struct rcu_head *rcu)
{
	session_free(container_of(rcu, struct rmirror_session, rcu));
}

static void session_put(struct rmirror_session *session)
{
	if (refcount_dec_and_test(&session->refs))
		call_rcu(&session->rcu, session_free_rcu);
}

static struct rmirror_session *session_alloc(const struct rmirror_key *key,
					     gfp_t gfp)
{
	struct rmirror_session *session;
	int cpu;

	session = kzalloc(sizeof(*session), gfp);
	if (!session)
		return NULL;

	session->pcpu = alloc_percpu_gfp(struct rmirror_pcpu, gfp);
	if (!session->pcpu)
		goto err_session;
	if (dst_cache_init(&session->route, gfp))
		goto err_pcpu;

	for_each_possible_cpu(cpu) {
		struct rmirror_pcpu *pcpu = per_cpu_ptr(session->pcpu, cpu);

		u64_stats_init(&pcpu->syncp);
		pcpu->ip_id = get_random_u32();
	}
	session->key = *key;
	refcount_set(&session->refs, 1);
	return session;

err_pcpu:
	free_percpu(session->pcpu);
err_session:
	kfree(session);
	return NULL;
}

/* Makes @session known, with rnet->lock held. */
static int session_insert(struct rmirror_net *rnet,
			  struct rmirror_session *session)
{
	struct rmirror_target *target;
	int err;

	target = rhashtable_lookup_fast(&rnet->targets, &session->key.target,
					target_params);
	if (!target) {
		target = kzalloc(sizeof(*target), GFP_ATOMIC | __GFP_NOWARN);
		if (!target)
			return -ENOMEM;
		target->addr = session->key.target;
		err = rhashtable_insert_fast(&rnet->targets, &target->node,
					     target_params);
		if (err) {
			kfree(target);
			return err;
		}
	}

	err = rhashtable_insert_fast(&rnet->sessions, &session->node,
				     session_params);
	if (err) {
		if (!target->n_sessions) {
			rhashtable_remove_fast(&rnet->targets, &target->node,
					       target_params);
			kfree_rcu(target, rcu);
		}
		return err;
	}

	session->target = target;
	target->n_sessions++;
	rnet->n_sessions++;
	return 0;
}

/* Takes @session out of the tables, with rnet->lock held. */
static void session_remove(struct rmirror_net *rnet,
			   struct rmirror_session *session)
{
	struct rmirror_target *target = session->target;

	rhashtable_remove_fast(&rnet->sessions, &session->node,
			       session_params);
	rnet->n_sessions--;
	session->target = NULL;
	if (!--target->n_sessions) {
		rhashtable_remove_fast(&rnet->targets, &target->node,
				       target_params);
		kfree_rcu(target, rcu);
	}
	session_put(session);
}

/* Returns the session with @key, with rnet->lock held. A new one if there is
 * none, made from *@spare, which then becomes NULL. NULL if there is no room.
 */
static struct rmirror_session *
session_find_or_insert(struct rmirror_net *rnet, const struct rmirror_key *key,
		       struct rmirror_session **spare)
{
	struct rmirror_session *session;

	session = rhashtable_lookup_fast(&rnet->sessions, key, session_params);
	if (session)
		return session;
	if (!*spare || rnet->n_sessions >= READ_ONCE(rmirror_max_sessions) ||
	    session_insert(rnet, *spare))
		return NULL;

	session = *spare;
	*spare = NULL;
	return session;
}

/* Returns the session with @key, a new one if need be, or NULL if there is no
 * room or no memory for another. May be called from any context but hard
 * interrupts, in an RCU read-side critical section, in which alone the session
 * is sure to exist.
 */
struct rmirror_session *rmirror_session_lookup(struct rmirror_net *rnet,
					       const struct rmirror_key *key)
{
	struct rmirror_session *session = rmirror_session_find(rnet, key);
	struct rmirror_session *spare;

	if (likely(session))
		return session;
	if (READ_ONCE(rnet->n_sessions) >= READ_ONCE(rmirror_max_sessions))
		return NULL;

	spare = session_alloc(key, GFP_ATOMIC | __GFP_NOWARN);
	if (!spare)
		return NULL;
	spin_lock_bh(&rnet->lock);
	session = session_find_or_insert(rnet, key, &spare);
	spin_unlock_bh(&rnet->lock);
	if (spare)
		session_free(spare);
	return session;
}

/* Returns the session with @key for an action, a new one if need be, or NULL if
 * there is no room or no memory for another. May sleep. The caller owns a
 * reference, see rmirror_session_release().
 */
struct rmirror_session *rmirror_session_hold(struct rmirror_net *rnet,
					     const struct rmirror_key *key)
{
	struct rmirror_session *session, *spare = NULL;

	for (;;) {
		spin_lock_bh(&rnet->lock);
		session = session_find_or_insert(rnet, key, &spare);
		if (session) {
			refcount_inc(&session->refs);
			atomic_inc(&session->n_actions);
		}
		spin_unlock_bh(&rnet->lock);
		if (session || spare ||
		    READ_ONCE(rnet->n_sessions) >=
		    READ_ONCE(rmirror_max_sessions))
			break;

		spare = session_alloc(key, GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
		if (!spare)
			break;
	}
	if (spare)
		session_free(spare);
	return session;
}

/* Returns a reference that rmirror_session_hold() gave. The session stays, with
 * its counters, until it is flushed. May be called from any context, also after
 * the end of the network namespace.
 */
void rmirror_session_release(struct rmirror_session *session)
{
	atomic_dec(&session->n_actions);
	session_put(session);
}

/* Adds @n to @counter. Bottom halves are disabled. */
void rmirror_session_count(struct rmirror_session *session,
			   enum rmirror_counter counter, unsigned int n)
{
	struct rmirror_pcpu *pcpu = this_cpu_ptr(session->pcpu);

	u64_stats_update_begin(&pcpu->syncp);
	u64_stats_add(&pcpu->counters[counter], n);
	u64_stats_update_end(&pcpu->syncp);
}

/* Counts the copies of a frame that were @sent. Bottom halves are disabled. */
void rmirror_session_count_copies(struct rmirror_session *session,
				  const struct rmirror_result *sent)
{
	struct rmirror_pcpu *pcpu = this_cpu_ptr(session->pcpu);

	u64_stats_update_begin(&pcpu->syncp);
	u64_stats_add(&pcpu->counters[RMIRROR_COPIES], sent->copies);
	u64_stats_add(&pcpu->counters[RMIRROR_BYTES], sent->bytes);
	u64_stats_add(&pcpu->counters[RMIRROR_ORIG_BYTES], sent->orig_bytes);
	u64_stats_add(&pcpu->counters[RMIRROR_TRUNCATED], sent->truncated);
	u64_stats_add(&pcpu->counters[RMIRROR_FRAGMENTED], sent->fragmented);
	u64_stats_update_end(&pcpu->syncp);
}

/* Sums up what all CPUs have ever counted. */
static void session_sum(const struct rmirror_session *session,
			u64 counters[RMIRROR_N_COUNTERS])
{
	int cpu, i;

	memset(counters, 0, RMIRROR_N_COUNTERS * sizeof(*counters));
	for_each_possible_cpu(cpu) {
		struct rmirror_pcpu *pcpu = per_cpu_ptr(session->pcpu, cpu);
		u64 part[RMIRROR_N_COUNTERS];
		unsigned int start;

		do {
			start = u64_stats_fetch_begin(&pcpu->syncp);
			for (i = 0; i < RMIRROR_N_COUNTERS; i++)
				part[i] = u64_stats_read(&pcpu->counters[i]);
		} while (u64_stats_fetch_retry(&pcpu->syncp, start));

		for (i = 0; i < RMIRROR_N_COUNTERS; i++)
			counters[i] += part[i];
	}
}

/* Stores in @counters what was counted for @session since the last reset,
 * indexed by enum rmirror_counter.
 */
void rmirror_session_read(struct rmirror_net *rnet,
			  const struct rmirror_session *session,
			  u64 counters[RMIRROR_N_COUNTERS])
{
	int i;

	spin_lock_bh(&rnet->lock);
	session_sum(session, counters);
	for (i = 0; i < RMIRROR_N_COUNTERS; i++)
		counters[i] -= session->reset[i];
	spin_unlock_bh(&rnet->lock);
}

/* Sets the counters of @session to zero. */
void rmirror_session_reset(struct rmirror_net *rnet,
			   struct rmirror_session *session)
{
	spin_lock_bh(&rnet->lock);
	session_sum(session, session->reset);
	spin_unlock_bh(&rnet->lock);
}

/* Calls @func for each session. It is called without the lock, in an RCU
 * read-side critical section.
 */
static void net_for_each(struct rmirror_net *rnet,
			 void (*func)(struct rmirror_net *rnet,
				      struct rmirror_session *session))
{
	struct rmirror_session *session;
	struct rhashtable_iter iter;

	rhashtable_walk_enter(&rnet->sessions, &iter);
	rhashtable_walk_start(&iter);
	while ((session = rhashtable_walk_next(&iter))) {
		/* -EAGAIN: the table was resized and the walk starts again,
		 * which does no harm here.
		 */
		if (!IS_ERR(session))
			func(rnet, session);
	}
	rhashtable_walk_stop(&iter);
	rhashtable_walk_exit(&iter);
}

/* Sets all counters of @rnet to zero. */
void rmirror_net_reset(struct rmirror_net *rnet)
{
	net_for_each(rnet, rmirror_session_reset);
	atomic64_set(&rnet->no_session, 0);
}

static void session_flush(struct rmirror_net *rnet,
			  struct rmirror_session *session)
{
	spin_lock_bh(&rnet->lock);
	if (session->target && !atomic_read(&session->n_actions))
		session_remove(rnet, session);
	else
		session_sum(session, session->reset);
	spin_unlock_bh(&rnet->lock);
}

/* Forgets the sessions that no action holds and sets the counters of the others
 * to zero.
 */
void rmirror_net_flush(struct rmirror_net *rnet)
{
	net_for_each(rnet, session_flush);
	atomic64_set(&rnet->no_session, 0);
}

int rmirror_net_init(struct rmirror_net *rnet)
{
	int err;

	spin_lock_init(&rnet->lock);
	err = rhashtable_init(&rnet->sessions, &session_params);
	if (err)
		return err;
	err = rhashtable_init(&rnet->targets, &target_params);
	if (err)
		rhashtable_destroy(&rnet->sessions);
	return err;
}

static void session_exit(void *ptr, void *rnet)
{
	struct rmirror_session *session = ptr;

	/* The routes go before the namespace that they belong to, and before
	 * the session, which an action may hold longer.
	 */
	dst_cache_reset_now(&session->route);
	session_put(session);
}

static void target_exit(void *ptr, void *rnet)
{
	struct rmirror_target *target = ptr;

	kfree_rcu(target, rcu);
}

/* Frees the tables of a network namespace that sends no more. Sessions that
 * actions still hold go with these.
 */
void rmirror_net_exit(struct rmirror_net *rnet)
{
	rhashtable_free_and_destroy(&rnet->sessions, session_exit, NULL);
	rhashtable_free_and_destroy(&rnet->targets, target_exit, NULL);
}
