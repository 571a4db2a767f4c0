// SPDX-License-Identifier: GPL-2.0-or-later

/*
 * Decodes bytes into operations on mm/zsmalloc.c, verified like those of the
 * tests: counters after each of them, everything at the end and when an input
 * asks for it. Built with libFuzzer, or with a driver that runs files and
 * inputs made up at random.
 */

#include "runner.c"

#define NR_FUZZ_OBJECTS		128

/* What is left of the input. After its end, 0 is read. */
static const u8 *input, *input_end;

/* Held until an operation lets go of it, or to the end. */
static struct object *object_read;	/* by a reader */
static void *data_read;
static struct page *page_held;		/* locked */

static u8 next_byte(void)
{
	return input < input_end ? *input++ : 0;
}

static struct object *next_object(void)
{
	return &objects[next_byte() % NR_FUZZ_OBJECTS];
}

static int next_pool(void)
{
	return next_byte() % 4 ? ZSWAP : ZRAM;
}

/* Steps that reach all classes, and sizes that are not allowed on both sides. */
static unsigned int next_size(void)
{
	unsigned int step = next_byte();

	return step == 255 ? PAGE_SIZE + 1 : step * PAGE_SIZE / 254;
}

/* One of the pages below an object. */
static struct page *next_page(const struct object *object)
{
	struct page *pages[ZS_MAX_PAGES_PER_ZSPAGE];
	unsigned int nr = object_pages(object, pages);

	return pages[next_byte() % nr];
}

static void alloc(struct object *object, int pool, unsigned int size,
		  struct obj_cgroup *objcg, int nid)
{
	long limit = objcg->memcg->limit;
	bool may_fail = fail_nth || limit != LONG_MAX;
	int err;

	if (object->size)
		return;
	err = object_alloc(object, pool, size, objcg, nid);
	if (!size)
		expect_eq(err, -EINVAL, "no bytes");
	else if (size > PAGE_SIZE)
		expect_eq(err, -ENOSPC, "more than a page");
	else
		expect(!err || (err == -ENOMEM && may_fail));
}

/* One object, or some of the same size that may share a zspage. */
static void fuzz_alloc(void)
{
	struct object *object = next_object();
	unsigned int size = next_size();
	u8 flags = next_byte();
	int nid = flags % (NR_TEST_NODES + 1) - 1;
	unsigned int nr = flags / 8 % 2 ? next_byte() % 32 : 1;
	int pool = next_pool();

	for (; nr-- && object < objects + NR_FUZZ_OBJECTS; object++)
		alloc(object, pool, size, &test_objcgs[flags / 16 % NR_TEST_OBJCGS], nid);
}

/* Neighbours, together. */
static void fuzz_alloc_many(void)
{
	struct object *first = next_object();
	unsigned int sizes[MAX_STORED_AT_ONCE];
	unsigned int max = 1 + next_byte() % MAX_STORED_AT_ONCE, nr;
	u8 flags = next_byte();
	struct obj_cgroup *objcg = &test_objcgs[flags % NR_TEST_OBJCGS];
	bool may_fail = fail_nth || objcg->memcg->limit != LONG_MAX;
	int err;

	for (nr = 0; nr < max && first + nr < objects + NR_FUZZ_OBJECTS; nr++) {
		if (first[nr].size)
			break;
		sizes[nr] = 1 + next_size() % PAGE_SIZE;
	}
	err = objects_alloc(first, sizes, nr, max, objcg,
			    flags / 16 % (NR_TEST_NODES + 1) - 1);
	expect(!err || (err == -ENOMEM && may_fail));
}

static void fuzz_free(void)
{
	struct object *object = next_object();

	if (object->size && object != object_read)
		object_free(object);
}

/* Each n-th from here on, so that zspages are left with room. */
static void fuzz_free_some(void)
{
	struct object *object = next_object();
	unsigned int step = 1 + next_byte() % 8;

	for (; object < objects + NR_FUZZ_OBJECTS; object += step)
		if (object->size && object != object_read)
			object_free(object);
}

static void fuzz_free_many(void)
{
	struct object *first = next_object();
	const struct object *end = objects + NR_FUZZ_OBJECTS;

	if (object_read >= first)
		end = object_read;
	objects_free(first, end, next_byte() % (MAX_FREED_AT_ONCE + 1));
}

/* Objects are somewhere else now. */
static void verify_moved(void)
{
	struct object *object;

	for (object = objects; object < objects + NR_FUZZ_OBJECTS; object++) {
		if (!object->size)
			continue;
		model_add(object, -1);
		object->place = find_place(object);
		model_add(object, 1);
	}
	verify_counters();
}

static void fuzz_move(void)
{
	struct object *object = next_object();
	int nid = next_byte() % NR_TEST_NODES, expected;
	unsigned int idx;
	struct page *page;
	bool is_read;

	if (!object->size)
		return;
	page = next_page(object);
	is_read = object_read &&
		  object_zspage(object_read, &idx) == object_zspage(object, &idx);
	if (page == page_held)
		expected = -EAGAIN;
	else if (fail_nth == 1)
		expected = -ENOMEM;
	else
		expected = is_read ? -EBUSY : 0;
	expect_eq(move_page(page, nid), expected, "move");
	verify_moved();
}

static void fuzz_compact(void)
{
	int pool = next_pool();
	unsigned long nr_pages = zs_get_total_pages(pools[pool]), nr_freed;

	operation_name = "compaction";
	nr_freed = zs_compact(pools[pool]);
	/* What cannot be locked is freed later. */
	if (!page_held)
		expect_eq(zs_get_total_pages(pools[pool]), nr_pages - nr_freed, "pages");
	verify_moved();
}

static void fuzz_shrink(void)
{
	struct shrinker *shrinker = pools[next_pool()]->shrinker;

	operation_name = "shrinker";
	if (shrinker->count_objects(shrinker, NULL))
		shrinker->scan_objects(shrinker, &(struct shrink_control){ .nr_to_scan = 128 });
	verify_moved();
}

static void fuzz_free_deferred(void)
{
	int pool = next_pool();

	operation_name = "deferred free";
	free_retired(pools[pool]);
	verify_counters();
}

static void let_go_of_page(void)
{
	folio_unlock(page_folio(page_held));
	folio_put(page_folio(page_held));
	page_held = NULL;
}

static void fuzz_hold_page(void)
{
	struct object *object = next_object();

	operation_name = "page lock";
	if (page_held) {
		let_go_of_page();
	} else if (object->size) {
		page_held = next_page(object);
		folio_lock(page_folio(page_held));
		folio_get(page_folio(page_held));
	}
}

static void end_read(void)
{
	expect(!memcmp(data_read, pattern + object_read->data, object_read->size));
	zs_obj_read_end(pools[object_read->pool], object_read->handle,
			object_read->size, data_read);
	object_read = NULL;
}

static void fuzz_read(void)
{
	struct object *object = next_object();
	static char copy[PAGE_SIZE];

	operation_name = "read";
	if (object_read) {
		end_read();
	} else if (object->size) {
		data_read = zs_obj_read_begin(pools[object->pool], object->handle,
					      object->size, copy);
		object_read = object;
	}
}

static void fuzz_recount(void)
{
	const char *name = next_byte() % 4 ? "nodes" : "classes";
	char *text;
	int err;

	operation_name = "recount";
	err = debugfs_read(pools[next_pool()], name, &text);
	free(text);
	expect(!err || (err == -ENOMEM && !fail_nth));
	fail_nth = 0;
	verify_all();
}

/* Some allocation of the next operation. */
static void fuzz_fail(void);

static void (*const operations[])(void) = {
	fuzz_alloc, fuzz_alloc, fuzz_free, fuzz_free_some, fuzz_move, fuzz_move,
	fuzz_compact, fuzz_shrink, fuzz_free_deferred, fuzz_hold_page, fuzz_read,
	fuzz_recount, fuzz_fail, fuzz_free_many, fuzz_alloc_many,
};

static void next_operation(void)
{
	operations[next_byte() % ARRAY_SIZE(operations)]();
}

static void fuzz_fail(void)
{
	fail_nth = 1 + next_byte() % 24;
	next_operation();
	fail_nth = 0;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	input = data;
	input_end = data + size;
	seed_random(next_byte());
	test_memcg_disabled = next_byte() % 8 == 7;
	test_memcgs[NR_TEST_MEMCGS - 1].limit = NR_FUZZ_OBJECTS / 8 * PAGE_SIZE;

	open_pools();
	while (input < input_end)
		next_operation();
	if (object_read)
		end_read();
	if (page_held)
		let_go_of_page();
	verify_all();
	close_pools();
	return 0;
}

#ifndef FUZZ_REPLAY

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	setup();
	return 0;
}

#else /* FUZZ_REPLAY */

#define MAX_INPUT_SIZE		4096

static unsigned long nr_inputs = 1000;
static char **files;
static u8 buffer[MAX_INPUT_SIZE];

static void run_file(const char *name)
{
	FILE *file = fopen(name, "rb");
	size_t size;

	if (!file)
		test_fail("cannot open %s: %s", name, strerror(errno));
	size = fread(buffer, 1, sizeof(buffer), file);
	expect(feof(file) || fgetc(file) == EOF);
	fclose(file);
	printf("# %s\n", name);
	LLVMFuzzerTestOneInput(buffer, size);
}

static const char *no_files(void)
{
	return *files ? NULL : "no files given";
}

static void test_files(void)
{
	for (; *files; files++, operation++)
		run_file(*files);
}

/* Each has a seed of its own, as running it draws random numbers as well. */
static void test_inputs(void)
{
	size_t size, i;

	for (; operation < nr_inputs; operation++) {
		seed_random((seed << 32) + operation);
		size = 2 + test_random() % 510;
		for (i = 0; i < size; i++)
			buffer[i] = test_random() >> 32;
		LLVMFuzzerTestOneInput(buffer, size);
	}
}

static const struct number numbers[] = {
	{ "ops",	&nr_inputs,	"inputs made up at random" },
	{}
};

static const struct test tests[] = {
	{ "files",	test_files,	no_files },
	{ "inputs",	test_inputs },
	{}
};

int main(int argc, char **argv)
{
	file_arguments = &files;
	return run("zsmalloc-fuzz-replay", tests, numbers, argc, argv);
}

#endif /* FUZZ_REPLAY */
