// SPDX-License-Identifier: GPL-2.0
/*
 * The budget of a private node, in all orders that a few stores, frees and
 * questions to the device can come in.
 */
#include <kunit/test.h>
#include <linux/module.h>

#include "../private_node_budget.h"

#define NR_ACTORS	3

/* Somebody who does one thing after the other. Others may come between two. */
struct actor {
	enum { STORE, ASK } kind;
	/* a store, which may be freed again */
	u32 cost;
	bool told;		/* the device tells what a page takes up */
	unsigned int nr_steps;
};

struct model {
	struct pn_budget budget;
	s64 total, used;
	s64 answer;
	s64 unwritten;		/* what stores may still write */
	unsigned int step[NR_ACTORS];
	unsigned int refund[NR_ACTORS];
};

struct scene {
	const char *name;
	s64 total;
	u32 worst;
	struct actor actors[NR_ACTORS];
};

/* Each test counts them: a scene that nothing happens in proves nothing. */
struct outcome {
	unsigned long orders, refused;
};

#define STORE_ACTOR(_cost)						\
	{ .kind = STORE, .cost = _cost, .told = true, .nr_steps = 3 }
#define FREED_ACTOR(_cost)						\
	{ .kind = STORE, .cost = _cost, .told = true,			\
	  .nr_steps = 6 }
#define UNTOLD_ACTOR(_cost)						\
	{ .kind = STORE, .cost = _cost, .nr_steps = 5 }
#define ASK_ACTOR(_times)						\
	{ .kind = ASK, .nr_steps = 3 * (_times) }

static const struct scene scenes[] = {
	{ "stores", 12, 8, { STORE_ACTOR(3), STORE_ACTOR(8), ASK_ACTOR(2) } },
	{ "stores that are freed", 12, 8,
	  { FREED_ACTOR(3), FREED_ACTOR(5), ASK_ACTOR(2) } },
	{ "a store beside one that is freed", 12, 8,
	  { FREED_ACTOR(6), STORE_ACTOR(8), ASK_ACTOR(2) } },
	{ "a device that does not tell", 20, 8,
	  { UNTOLD_ACTOR(3), UNTOLD_ACTOR(8), ASK_ACTOR(2) } },
	{ "room for all of it", 64, 8,
	  { FREED_ACTOR(3), STORE_ACTOR(8), ASK_ACTOR(2) } },
	{ "asked all the time", 10, 8,
	  { STORE_ACTOR(5), FREED_ACTOR(5), ASK_ACTOR(3) } },
};

static void scene_to_desc(const struct scene *scene, char *desc)
{
	strscpy(desc, scene->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(scene, scenes, scene_to_desc);

/* Return false if a store was refused: then it does nothing more. */
static bool store_step(struct model *m, const struct scene *scene, unsigned int i)
{
	const struct actor *actor = &scene->actors[i];

	switch (m->step[i]) {
	case 0:
		if (!pn_budget_take(&m->budget, scene->worst))
			return false;
		m->unwritten += scene->worst;
		break;
	case 1:
		m->used += actor->cost;
		m->unwritten -= scene->worst;
		break;
	case 2:
		pn_budget_settle(&m->budget, scene->worst,
				 actor->told ? actor->cost : scene->worst);
		break;
	case 3:
		m->refund[i] = pn_budget_begin_refund(&m->budget);
		break;
	case 4:
		m->used -= actor->cost;
		break;
	case 5:
		pn_budget_refund(&m->budget, m->refund[i], actor->cost);
		break;
	}
	return true;
}

static void ask_step(struct model *m, unsigned int step)
{
	switch (step % 3) {
	case 0:
		pn_budget_ask(&m->budget);
		break;
	case 1:
		m->answer = m->total - m->used;
		break;
	case 2:
		pn_budget_answer(&m->budget, m->answer);
		break;
	}
}

/* The device is quiet: what it says then is what there is. */
static void check_end(struct kunit *test, struct model m, struct outcome *outcome)
{
	outcome->orders++;
	KUNIT_ASSERT_EQ(test, m.budget.inflight, 0);
	ask_step(&m, 0);
	ask_step(&m, 1);
	ask_step(&m, 2);
	KUNIT_ASSERT_EQ(test, m.budget.bytes, m.total - m.used);
}

/* Go on in each way there is. As deep as all steps together. */
static void go_on(struct kunit *test, const struct scene *scene,
		  const struct model *before, struct outcome *outcome)
{
	bool end = true;
	unsigned int i;

	for (i = 0; i < NR_ACTORS; i++) {
		const struct actor *actor = &scene->actors[i];
		struct model m = *before;

		if (m.step[i] == actor->nr_steps)
			continue;
		end = false;
		if (actor->kind == ASK) {
			ask_step(&m, m.step[i]++);
		} else if (store_step(&m, scene, i)) {
			m.step[i]++;
		} else {
			outcome->refused++;
			m.step[i] = actor->nr_steps;
		}
		/* Nothing is lost, and nothing will be. */
		KUNIT_ASSERT_LE(test, m.used, m.total);
		KUNIT_ASSERT_LE(test, m.budget.bytes,
				m.total - m.used - m.unwritten);
		go_on(test, scene, &m, outcome);
	}
	if (end)
		check_end(test, *before, outcome);
}

static void pn_budget_orders(struct kunit *test)
{
	const struct scene *scene = test->param_value;
	struct model m = { .total = scene->total };
	struct outcome outcome = {};

	m.budget.bytes = scene->total;
	go_on(test, scene, &m, &outcome);
	kunit_info(test, "%lu orders, %lu stores refused in them\n",
		   outcome.orders, outcome.refused);
	KUNIT_EXPECT_GT(test, outcome.orders, 1000);
	if (scene->total < 2 * scene->worst)
		KUNIT_EXPECT_GT(test, outcome.refused, 0);
}

/* Without an answer, it runs dry and says no. */
static void pn_budget_silent(struct kunit *test)
{
	struct pn_budget budget = { .bytes = 100 };
	int i;

	for (i = 0; i < 12; i++) {
		KUNIT_EXPECT_TRUE(test, pn_budget_take(&budget, 8));
		pn_budget_ask(&budget);
		pn_budget_settle(&budget, 8, 8);
		pn_budget_no_answer(&budget);
	}
	KUNIT_EXPECT_FALSE(test, pn_budget_take(&budget, 8));
	KUNIT_EXPECT_EQ(test, budget.bytes, 4);
	KUNIT_EXPECT_EQ(test, budget.inflight, 0);

	/* What is refunded counts again. */
	pn_budget_refund(&budget, pn_budget_begin_refund(&budget), 8);
	KUNIT_EXPECT_TRUE(test, pn_budget_take(&budget, 8));
}

/* The device has less room than it had said. */
static void pn_budget_shrinks(struct kunit *test)
{
	struct pn_budget budget = { .bytes = 100 };

	KUNIT_EXPECT_TRUE(test, pn_budget_take(&budget, 8));
	pn_budget_ask(&budget);
	pn_budget_answer(&budget, -20);
	KUNIT_EXPECT_EQ(test, budget.bytes, -28);
	KUNIT_EXPECT_FALSE(test, pn_budget_take(&budget, 8));
	pn_budget_settle(&budget, 8, 3);
	KUNIT_EXPECT_EQ(test, budget.bytes, -23);
}

static struct kunit_case private_node_cases[] = {
	KUNIT_CASE_PARAM(pn_budget_orders, scene_gen_params),
	KUNIT_CASE(pn_budget_silent),
	KUNIT_CASE(pn_budget_shrinks),
	{}
};

static struct kunit_suite private_node_suite = {
	.name = "private_node",
	.test_cases = private_node_cases,
};

kunit_test_suite(private_node_suite);

MODULE_DESCRIPTION("KUnit tests for private nodes");
MODULE_LICENSE("GPL");
