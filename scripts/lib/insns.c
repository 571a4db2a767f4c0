// SPDX-License-Identifier: GPL-2.0
/*
 * insns - QEMU plugin: which instructions a guest executes, on which CPU, when
 *
 *	-plugin insns.so,symbols=FILE,out=FILE[,inside=SYMBOL][,apart=PREFIX+PREFIX...]
 *
 * symbols: what `nm` or System.map has of a kernel that runs without KASLR. The
 * guest marks points of time with a NOP that does nothing else, see MARK() in
 * scripts/guest/measure.h. Writes to out, one record a line:
 *
 *	mark CODE COUNT...		executed so far by each CPU
 *	string COUNT...			with the marks: how much of that was repetitions of
 *					string instructions
 *	apart COUNT...			with the marks: how much of the rest was in functions
 *					whose names begin with one of the prefixes
 *	count PHASE CPU COUNT SYMBOL	at the end
 *	inside CPU CALLS COUNT STRING	with the marks: what the function SYMBOL and all
 *					that it calls have executed so far, and how much
 *					of that was repetitions of string instructions
 *
 * A repetition (of rep movsb, one byte) counts as an instruction, as it does for
 * QEMU's clock. What interrupts the function counts, too.
 *
 * A phase lasts from a mark with a code below NR_PHASES to the next one. In phase 0
 * nothing is counted. Marks with higher codes are points of time only.
 *
 * Meant for -icount, under which QEMU runs all CPUs in turn in one thread: what
 * it counts repeats, whatever else the host does. But there the CPU that QEMU
 * tells a plugin is the one which has translated the code, not the one that runs
 * it. So CPUs are told apart by where the kernel's per-CPU data is: in gs_base,
 * or, as long as a program runs, in k_gs_base.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * The part of QEMU's plugin interface that is used here, as it has been since
 * version 3 (QEMU 9.1). Its header is not in Debian's packages.
 */
typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_info_t;
enum { QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_CB_R_REGS };
struct qemu_plugin_register;
typedef struct {
	struct qemu_plugin_register *handle;
	const char *name;
	const char *feature;
} qemu_plugin_reg_descriptor;

/* Of GLib, which QEMU has loaded. */
typedef struct {
	char *data;
	unsigned int len;
} GArray;
typedef struct {
	uint8_t *data;
	unsigned int len;
} GByteArray;
GByteArray *g_byte_array_new(void);
GByteArray *g_byte_array_set_size(GByteArray *array, unsigned int len);

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
	void (*call)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb,
	void (*call)(unsigned int cpu, void *data), int flags, void *data);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
	void (*call)(unsigned int cpu, void *data), int flags, void *data);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id,
	void (*call)(qemu_plugin_id_t id, void *data), void *data);
void qemu_plugin_register_vcpu_init_cb(qemu_plugin_id_t id,
	void (*call)(qemu_plugin_id_t id, unsigned int cpu));
GArray *qemu_plugin_get_registers(void);
int qemu_plugin_read_register(struct qemu_plugin_register *handle, GByteArray *buffer);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *insn, void *data, size_t len);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);

#define EXPORTED __attribute__((visibility("default")))

EXPORTED int qemu_plugin_version = 3;

#define NR_PHASES	4
#define NR_CPUS		8
#define KERNEL		0xffffffff80000000ull
#define KERNEL_HALF	(1ull << 63)

struct symbol {
	uint64_t address;
	char *name;
	bool apart;
};

/* The first is of all that is not kernel text: userspace, early boot. */
static struct symbol *symbols;
static size_t nr_symbols;

static FILE *out;
static unsigned int phase;
static struct totals {
	uint64_t all, string, apart;
} totals[NR_CPUS];
static uint64_t *by_symbol;		/* [phase][cpu][symbol] */

/* A call of the function, from its first block until its caller goes on. */
struct inside {
	bool active;
	size_t caller;
	uint64_t sp;			/* at the first block */
	uint64_t calls, count, string;
};

static const char *inside_name;
static size_t inside_symbol;		/* 0: none */
static struct inside inside[NR_CPUS];
static size_t last_symbol[NR_CPUS];

static struct qemu_plugin_register *gs_base, *k_gs_base, *rsp;
/* Where per-CPU data is, in ascending order: that of the CPUs */
static uint64_t bases[NR_CPUS];

static void find_registers(qemu_plugin_id_t id, unsigned int cpu)
{
	GArray *all = qemu_plugin_get_registers();
	const qemu_plugin_reg_descriptor *reg = (void *)all->data;

	(void)id;
	(void)cpu;
	for (unsigned int i = 0; i < all->len; i++) {
		if (!strcmp(reg[i].name, "gs_base"))
			gs_base = reg[i].handle;
		else if (!strcmp(reg[i].name, "k_gs_base"))
			k_gs_base = reg[i].handle;
		else if (!strcmp(reg[i].name, "rsp"))
			rsp = reg[i].handle;
	}
}

static uint64_t read_register(struct qemu_plugin_register *handle)
{
	static GByteArray *buffer;
	uint64_t value = 0;

	if (!buffer)
		buffer = g_byte_array_new();
	g_byte_array_set_size(buffer, 0);
	if (qemu_plugin_read_register(handle, buffer) == sizeof(value))
		memcpy(&value, buffer->data, sizeof(value));
	return value;
}

static uint64_t *counter(unsigned int of_phase, unsigned int cpu, size_t symbol)
{
	return &by_symbol[(of_phase * NR_CPUS + cpu) * nr_symbols + symbol];
}

/* The slot of a base that was not seen before; those behind it move on. */
static unsigned int add_base(uint64_t base)
{
	unsigned int cpu = NR_CPUS - 1, p;

	if (bases[cpu]) {
		fprintf(stderr, "insns: more than %d CPUs\n", NR_CPUS);
		exit(1);
	}
	for (; cpu && (!bases[cpu - 1] || bases[cpu - 1] > base); cpu--) {
		bases[cpu] = bases[cpu - 1];
		totals[cpu] = totals[cpu - 1];
		inside[cpu] = inside[cpu - 1];
		last_symbol[cpu] = last_symbol[cpu - 1];
		for (p = 0; p < NR_PHASES; p++)
			memcpy(counter(p, cpu, 0), counter(p, cpu - 1, 0),
			       nr_symbols * sizeof(*by_symbol));
	}
	bases[cpu] = base;
	totals[cpu] = (struct totals) {};
	inside[cpu] = (struct inside) {};
	last_symbol[cpu] = 0;
	for (p = 0; p < NR_PHASES; p++)
		memset(counter(p, cpu, 0), 0, nr_symbols * sizeof(*by_symbol));
	return cpu;
}

static unsigned int this_cpu(void)
{
	uint64_t base = read_register(gs_base);
	unsigned int cpu;

	/* a program's own, or none */
	if (base < KERNEL_HALF)
		base = read_register(k_gs_base);
	for (cpu = 0; cpu < NR_CPUS && bases[cpu]; cpu++)
		if (bases[cpu] == base)
			return cpu;
	return add_base(base);
}

static void add_symbol(uint64_t address, const char *name)
{
	static size_t room;

	if (nr_symbols == room) {
		room = room ? 2 * room : 1 << 16;
		symbols = realloc(symbols, room * sizeof(*symbols));
	}
	if (symbols)
		symbols[nr_symbols++] = (struct symbol) { address, strdup(name), false };
}

static int by_address(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;

	return (x->address > y->address) - (x->address < y->address);
}

static bool load_symbols(const char *path)
{
	char line[512], type, name[400];
	uint64_t address;
	FILE *file = fopen(path, "r");

	if (!file)
		return false;
	add_symbol(0, "[user]");
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "%" SCNx64 " %c %399s", &address, &type, name) == 3 &&
		    strchr("tTwW", type) && address >= KERNEL)
			add_symbol(address, name);
	fclose(file);
	if (nr_symbols < 2)
		return false;
	qsort(symbols + 1, nr_symbols - 1, sizeof(*symbols), by_address);
	return true;
}

/* The last symbol at or before the address. */
static size_t find_symbol(uint64_t address)
{
	size_t low = 1, high = nr_symbols;

	if (address < KERNEL)
		return 0;
	while (low < high) {
		size_t middle = (low + high) / 2;

		if (symbols[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low - 1;
}

/* What a translated block counts as: instructions in the lower 14 bits, */
#define BLOCK_INSNS	0x3fff
/* whether a function begins with it, whether it is one string instruction, */
#define BLOCK_BEGINS	0x4000
#define BLOCK_STRING	0x8000
/* whether its function is one of those apart, */
#define BLOCK_APART	0x10000
/* and the number of its symbol. */
#define BLOCK_SHIFT	17

static void executed_inside(unsigned int cpu, uint64_t block)
{
	struct inside *call = &inside[cpu];
	size_t symbol = block >> BLOCK_SHIFT;

	if (call->active && symbol == call->caller && read_register(rsp) > call->sp)
		call->active = false;
	if (!call->active && symbol == inside_symbol && block & BLOCK_BEGINS) {
		call->active = true;
		call->caller = last_symbol[cpu];
		call->sp = read_register(rsp);
		call->calls++;
	}
	if (call->active) {
		call->count += block & BLOCK_INSNS;
		if (block & BLOCK_STRING)
			call->string += block & BLOCK_INSNS;
	}
	last_symbol[cpu] = symbol;
}

static void executed(unsigned int unused, void *data)
{
	uint64_t block = (uintptr_t)data, nr = block & BLOCK_INSNS;
	unsigned int cpu;

	(void)unused;
	if (!phase)
		return;
	cpu = this_cpu();
	totals[cpu].all += nr;
	if (block & BLOCK_STRING)
		totals[cpu].string += nr;
	else if (block & BLOCK_APART)
		totals[cpu].apart += nr;
	*counter(phase, cpu, block >> BLOCK_SHIFT) += nr;
	if (inside_symbol)
		executed_inside(cpu, block);
}

static void marked(unsigned int unused, void *data)
{
	unsigned int code = (uintptr_t)data;

	(void)unused;
	fprintf(out, "mark %u", code);
	for (int i = 0; i < NR_CPUS; i++)
		fprintf(out, " %" PRIu64, totals[i].all);
	fprintf(out, "\nstring");
	for (int i = 0; i < NR_CPUS; i++)
		fprintf(out, " %" PRIu64, totals[i].string);
	fprintf(out, "\napart");
	for (int i = 0; i < NR_CPUS; i++)
		fprintf(out, " %" PRIu64, totals[i].apart);
	fprintf(out, "\n");
	for (int i = 0; inside_symbol && i < NR_CPUS; i++)
		if (inside[i].calls)
			fprintf(out, "inside %d %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", i,
				inside[i].calls, inside[i].count, inside[i].string);
	if (code < NR_PHASES)
		phase = code;
}

/* The NOP with a displacement of 0x5a5a00NN: the code, or -1. */
static int code_of_mark(const struct qemu_plugin_insn *insn)
{
	static const unsigned char mark[] = { 0x0f, 0x1f, 0x80, 0, 0, 0x5a, 0x5a };
	unsigned char bytes[sizeof(mark)];
	int code;

	if (qemu_plugin_insn_size(insn) != sizeof(mark))
		return -1;
	qemu_plugin_insn_data(insn, bytes, sizeof(bytes));
	code = bytes[3];
	bytes[3] = 0;
	return memcmp(bytes, mark, sizeof(mark)) ? -1 : code;
}

/* rep or repne, then movs, stos, cmps, scas or lods, of any size. */
static bool is_string(const struct qemu_plugin_insn *insn)
{
	unsigned char bytes[15] = {};
	size_t size = qemu_plugin_insn_size(insn), at = 0;
	bool rep = false;

	qemu_plugin_insn_data(insn, bytes, size < sizeof(bytes) ? size : sizeof(bytes));
	for (; at < size; at++) {
		if (bytes[at] == 0xf3 || bytes[at] == 0xf2)
			rep = true;
		else if (bytes[at] != 0x66 && bytes[at] != 0x67 && (bytes[at] & 0xf0) != 0x40)
			break;
	}
	return rep && at < size && ((bytes[at] >= 0xa4 && bytes[at] <= 0xa7) ||
				    (bytes[at] >= 0xaa && bytes[at] <= 0xaf));
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t symbol = find_symbol(qemu_plugin_tb_vaddr(tb)), nr = qemu_plugin_tb_n_insns(tb);
	struct qemu_plugin_insn *insn;
	uintptr_t block = symbol << BLOCK_SHIFT | (nr & BLOCK_INSNS);
	int code;

	(void)id;
	if (symbol && qemu_plugin_tb_vaddr(tb) == symbols[symbol].address)
		block |= BLOCK_BEGINS;
	if (symbols[symbol].apart)
		block |= BLOCK_APART;
	/* under -icount it is translated alone, and executed for each repetition */
	if (nr == 1 && is_string(qemu_plugin_tb_get_insn(tb, 0)))
		block |= BLOCK_STRING;
	qemu_plugin_register_vcpu_tb_exec_cb(tb, executed, QEMU_PLUGIN_CB_R_REGS, (void *)block);
	/* only programs mark */
	for (size_t i = 0; !symbol && i < nr; i++) {
		insn = qemu_plugin_tb_get_insn(tb, i);
		code = code_of_mark(insn);
		if (code >= 0)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, marked, QEMU_PLUGIN_CB_NO_REGS,
							       (void *)(uintptr_t)code);
	}
}

static void write_counts(qemu_plugin_id_t id, void *data)
{
	uint64_t nr;

	(void)id;
	(void)data;
	for (unsigned int p = 1; p < NR_PHASES; p++)
		for (unsigned int cpu = 0; cpu < NR_CPUS; cpu++)
			for (size_t symbol = 0; symbol < nr_symbols; symbol++) {
				nr = *counter(p, cpu, symbol);
				if (nr)
					fprintf(out, "count %u %u %" PRIu64 " %s\n", p, cpu, nr,
						symbols[symbol].name);
			}
	fclose(out);
}

/* Return whether there is any function of such a name. */
static bool mark_apart(char *prefixes)
{
	bool found = false;
	char *prefix;

	for (prefix = strtok(prefixes, "+"); prefix; prefix = strtok(NULL, "+"))
		for (size_t i = 1; i < nr_symbols; i++)
			if (!strncmp(symbols[i].name, prefix, strlen(prefix)))
				found = symbols[i].apart = true;
	return found;
}

EXPORTED int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info_t *info,
				 int argc, char **argv)
{
	char *apart = NULL;

	(void)info;
	for (int i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "symbols=", 8)) {
			if (!load_symbols(argv[i] + 8))
				fprintf(stderr, "insns: %s: no kernel symbols\n", argv[i] + 8);
		} else if (!strncmp(argv[i], "out=", 4)) {
			out = fopen(argv[i] + 4, "w");
			if (!out)
				perror(argv[i] + 4);
		} else if (!strncmp(argv[i], "inside=", 7)) {
			inside_name = strdup(argv[i] + 7);
		} else if (!strncmp(argv[i], "apart=", 6)) {
			apart = strdup(argv[i] + 6);
		}
	}
	for (size_t i = 1; inside_name && i < nr_symbols; i++)
		if (!strcmp(symbols[i].name, inside_name))
			inside_symbol = i;
	if (inside_name && !inside_symbol) {
		fprintf(stderr, "insns: no function %s in this kernel\n", inside_name);
		return 1;
	}
	if (!out || !nr_symbols)
		return 1;
	if (apart && !mark_apart(apart)) {
		fprintf(stderr, "insns: no function %s in this kernel\n", apart);
		return 1;
	}
	by_symbol = calloc(NR_PHASES * NR_CPUS * nr_symbols, sizeof(*by_symbol));
	if (!by_symbol)
		return 1;
	qemu_plugin_register_vcpu_init_cb(id, find_registers);
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	qemu_plugin_register_atexit_cb(id, write_counts, NULL);
	return 0;
}
