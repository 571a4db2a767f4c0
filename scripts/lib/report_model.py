"""What `ztier report` shows: pictures and tables made of what runs have printed.

A picture is a dictionary: id, title, see (a sentence: what to look at), how it was
measured, legend [(colour, words)], notes, the plot for report_plot.py and tables
{title, head, rows}. One that can't be made has `missing` instead: why, and the
commands one of which changes that or tells more.
"""

import json
import re
from collections import defaultdict

import ztier

MIB = 1 << 20
PLAIN, SOFTWARE, DIRECT = 'uncompressed', 'compressed by a CPU', 'compressed by the device'


class Recording:
    """What scripts/guest/demo.sh has printed as "timeline"."""

    def __init__(self, text):
        self.facts, self.phases, self.checks = {}, [], {}
        # (time, group): {counter: bytes of each node}
        samples = defaultdict(dict)
        for line in text.splitlines():
            kind, *words = line.split()
            if kind == 'at':
                samples[int(words[0]), words[1]][words[2]] = [int(word) for word in words[3:]]
            elif kind == 'phase':
                self.phases.append((int(words[0]), ' '.join(words[1:])))
            elif kind == 'check':
                self.checks[words[0]] = int(words[2])
            elif kind == 'fact':
                self.facts[words[0]] = ' '.join(words[1:])
        self.groups = list(dict.fromkeys(group for _, group in samples))
        nodes = max((len(each.get('zswap', ())) for each in samples.values()), default=0)
        self.nodes = range(nodes)
        for each in samples.values():
            for counter in ('plain', 'zswap', 'zswapped'):
                # a node that is gone has nothing
                each[counter] = each.get(counter, []) + [0] * (nodes - len(each.get(counter, [])))
        self.samples = dict(samples)
        if not self.samples or not self.phases:
            raise ValueError('it has no samples, or no phases')

    def of(self, group):
        """[(time, {counter: bytes of each node})] in order."""
        return sorted((time, each) for (time, name), each in self.samples.items() if name == group)

    def rounds(self):
        """The same of all groups: [(time of the first, {group: counters})]."""
        each = {group: self.of(group) for group in self.groups}
        many = max(map(len, each.values()))
        # cgroups that were made later have not been there before
        full = {group: [None] * (many - len(rows)) + rows for group, rows in each.items()}
        empty = {counter: [0] * len(self.nodes) for counter in ('plain', 'zswap', 'zswapped')}
        for at in range(many):
            now = {group: rows[at] for group, rows in full.items()}
            yield (min(row[0] for row in now.values() if row),
                   {group: row[1] if row else empty for group, row in now.items()})

    def before(self, name):
        """The last samples before a phase begins: {group: counters}."""
        begin = next((time for time, phase in self.phases if phase == name), None)
        if begin is None:
            raise ValueError(f'it has no phase "{name}"')
        found = {}
        for group in self.groups:
            earlier = [each for time, each in self.of(group) if time <= begin]
            if not earlier:
                raise ValueError(f'it has nothing of {group} before "{name}"')
            found[group] = earlier[-1]
        return found

    def notes(self):
        wrong = sum(self.checks.values())
        return [f'At the end each workload compared every byte with what it had written: '
                f'{wrong} pages were wrong.'] if self.checks else []

    def steps(self):
        """Phases, for the text below a picture."""
        return [f'{name} ({time / 1000:.1f} s)' for time, name in self.phases]


def mib(value):
    return f'{value / MIB:.1f} MiB'


def missing(ident, title, why, *commands):
    return {'id': ident, 'title': title, 'missing': {'why': why, 'commands': commands}}


def machine(facts):
    return (f'A guest with {facts.get("cpus", "?")} CPUs, accelerator '
            f'{facts.get("accelerator", "not recorded")}, zswap with {facts.get("compressor", "?")}')


# ---- over time ------------------------------------------------------------------

def places_of_private(recording):
    """Titles of the nodes of topology softreserved."""
    nid = int(recording.facts['private'])
    return [f'node {node}, {"private: memory that compresses itself" if node == nid else "RAM"}'
            for node in recording.nodes]


PLACES = ('RAM', 'RAM', 'soft-reserved', 'CXL')


def over_time_private(recording):
    nid = int(recording.facts['private'])
    rows = recording.of(recording.groups[0])
    panels, table = [], []
    for node, title in zip(recording.nodes, places_of_private(recording)):
        zswap = [each['zswap'][node] for _, each in rows]
        panels.append({
            'title': title,
            'stack': [
                {'colour': 'plain', 'values': [each['plain'][node] / MIB for _, each in rows]},
                {'colour': 'direct' if node == nid else 'software',
                 'values': [value / MIB for value in zswap]}],
            'line': {'values': [(each['plain'][node] + each['zswapped'][node]) / MIB
                                for _, each in rows]}})
    for time, each in rows:
        table.append([f'{time / 1000:.3f}', *(f'{value:,}' for node in recording.nodes for value in
                                              (each['plain'][node], each['zswap'][node],
                                               each['zswapped'][node]))])
    in_ram = recording.before('to zswap on the private node')[recording.groups[0]]
    on_node = recording.before('private node taken away')[recording.groups[0]]
    gone = recording.before('all is read back')[recording.groups[0]]
    disagree = sum(each['direct'][0] != each['zswap'][nid] for _, each in rows)
    head = ['seconds', *(f'node {node} {words}' for node in recording.nodes for words in
                         ('uncompressed', 'zswap', 'zswapped'))]
    return {
        'id': 'time-private', 'title': 'One cgroup, compressed by a CPU and by a device',
        'see': f'Half of the memory goes to zswap in RAM, where {mib(in_ram["zswapped"][0])} take up '
               f'{mib(in_ram["zswap"][0])}. Of the other half the private node takes '
               f'{mib(on_node["zswapped"][nid])} in {mib(on_node["zswap"][nid])} of its own, '
               'and what does not compress stays in RAM. When the node is taken away, all of it '
               f'is in RAM: {mib(gone["zswap"][0])}. The gap below the dashed line is what '
               'compression saves.',
        'how': f'{machine(recording.facts)}, topology softreserved; anon + file, zswap and zswapped '
               f'of memory.numa_stat of the cgroup, read {len(rows)} times. Counters of one reading '
               'may be a batch of pages apart, which is why the dashed line wavers.',
        'legend': [('plain', PLAIN), ('software', SOFTWARE), ('direct', DIRECT),
                   ('outline', 'what all of it would be uncompressed')],
        'steps': recording.steps(),
        'notes': [*recording.notes(),
                  'zswap_direct of memory.stat and the private node\'s zswap of memory.numa_stat '
                  f'differed in {disagree} of {len(rows)} readings.'],
        'plot': {'kind': 'areas', 'time': [time / 1000 for time, _ in rows], 'unit': 'MiB',
                 'panels': panels, 'phases': [time / 1000 for time, _ in recording.phases]},
        'tables': [{'title': 'Bytes, as read', 'head': head, 'rows': table}]}


COLOURS = ('one', 'two', 'three', 'four')


def over_time_nodes(recording):
    rounds = list(recording.rounds())
    panels = [{'title': f'node {node}, {place}',
               'stack': [{'colour': colour, 'values': [each[group]['zswap'][node] / MIB
                                                       for _, each in rounds]}
                         for group, colour in zip(recording.groups, COLOURS)]}
              for node, place in zip(recording.nodes, PLACES)]
    table = [[f'{time / 1000:.3f}', *(f'{each[group]["zswap"][node]:,}' for node in recording.nodes
                                      for group in recording.groups)] for time, each in rounds]
    held = recording.before('node 2 taken offline')
    each = ', '.join(f'{group} {mib(sum(held[group]["zswap"]))}' for group in recording.groups)
    return {
        'id': 'time-nodes', 'title': 'Four cgroups, four nodes: who has compressed memory where',
        'see': f'Each cgroup\'s memory is on a node of its own before it is swapped out ({each} '
               'compressed). A node that goes offline hands over its compressed pages, and each '
               'byte stays on the account of its cgroup: the colour that leaves node 2 comes back '
               'on another one.',
        'how': f'{machine(recording.facts)}, topology tiered; zswap of memory.numa_stat of each '
               f'cgroup, read {len(rounds)} times.',
        'legend': list(zip(COLOURS, recording.groups)), 'steps': recording.steps(),
        'notes': recording.notes(),
        'plot': {'kind': 'areas', 'time': [time / 1000 for time, _ in rounds], 'unit': 'MiB',
                 'panels': panels, 'phases': [time / 1000 for time, _ in recording.phases]},
        'tables': [{'title': 'Bytes of zswap, as read', 'rows': table,
                    'head': ['seconds', *(f'node {node} {group}' for node in recording.nodes
                                          for group in recording.groups)]}]}


# ---- before and after -------------------------------------------------------------

def pairs(recording, titles, parts_of, first, then):
    """Rows of a plot `bars` and of its table: two for each node."""
    rows = []
    for node, title in zip(recording.nodes, titles):
        for when, counters in (('before', first), ('after', then)):
            rows.append({'label': title, 'when': when, 'first': when == 'before',
                         'last': when == 'after', 'parts': parts_of(counters, node)})
    for row in rows:
        for part in row['parts']:
            part['value'] = part['bytes'] / MIB
    return rows


def parts_table(rows, names):
    head = ['node', 'when', *names, 'sum']
    return {'title': 'Bytes', 'head': head, 'rows': [
        [row['label'], row['when'], *(f'{part["bytes"]:,}' for part in row['parts']),
         f'{sum(part["bytes"] for part in row["parts"]):,}'] for row in rows]}


def moved_private(recording):
    nid, group = int(recording.facts['private']), recording.groups[0]
    first = recording.before('private node taken away')[group]
    then = recording.before('all is read back')[group]

    def parts(each, node):
        return [{'colour': 'plain', 'bytes': each['plain'][node]},
                {'colour': 'software', 'bytes': 0 if node == nid else each['zswap'][node]},
                {'colour': 'direct', 'bytes': each['zswap'][node] if node == nid else 0}]
    rows = pairs(recording, [f'node {node}' for node in recording.nodes], parts, first, then)
    return {
        'id': 'moved-private', 'title': 'A private node is taken away',
        'see': f'{mib(first["zswap"][nid])} leave the device and are '
               f'{mib(then["zswap"][0] - first["zswap"][0])} in RAM, compressed by the CPU: '
               f'{mib(sum(first["zswapped"]))} of pages before, {mib(sum(then["zswapped"]))} after.',
        'how': f'The last reading before phase {phase_number(recording, "private node taken away")} of '
               'the first picture, and the last one before the phase after that.',
        'legend': [('plain', PLAIN), ('software', SOFTWARE), ('direct', DIRECT)],
        'plot': {'kind': 'bars', 'rows': rows, 'unit': 'MiB'},
        'tables': [parts_table(rows, (PLAIN, SOFTWARE, DIRECT))]}


def moved_nodes(recording):
    first = recording.before('node 2 taken offline')
    then = recording.before('node 2 is back')

    def parts(each, node):
        return [{'colour': colour, 'bytes': each[group]['zswap'][node]}
                for group, colour in zip(recording.groups, COLOURS)]
    rows = pairs(recording, [f'node {node}' for node in recording.nodes], parts, first, then)
    gains = {node: sum(then[group]['zswap'][node] - first[group]['zswap'][node]
                       for group in recording.groups) for node in recording.nodes}
    goal = max(gains, key=gains.get)
    left = sum(first[group]['zswap'][2] for group in recording.groups)
    total, after = (sum(sum(each[group]['zswap']) for group in recording.groups)
                    for each in (first, then))
    return {
        'id': 'moved-nodes', 'title': 'A node is taken offline',
        'see': f'{left:,} bytes leave node 2, {gains[goal]:,} arrive on node {goal}; '
               f'all cgroups together have {total:,} bytes before and {after:,} after.',
        'how': 'Zswap of memory.numa_stat of each cgroup, the last reading before phase '
               f'{phase_number(recording, "node 2 taken offline")} of the picture of four cgroups '
               'and the last one before the phase after that.',
        'legend': list(zip(COLOURS, recording.groups)),
        'plot': {'kind': 'bars', 'rows': rows, 'unit': 'MiB'},
        'tables': [parts_table(rows, recording.groups)]}


def phase_number(recording, name):
    return [phase for _, phase in recording.phases].index(name) + 1


# ---- bench ------------------------------------------------------------------------

# What the first word of a work's command does, as scripts/guest/bench.c has it
KINDS = {'free': 'Freeing memory', 'kill': 'A process is killed', 'together': 'Processes free at once',
         'store': 'Storing', 'load': 'Loading', 'fault': 'Page faults without swap',
         'steady': 'Steady state', 'command': 'A compiler short of memory',
         'usemem': 'Writing more than memory.high', 'latency': 'Latency of loads',
         'read': 'Reading statistics', 'slab': 'Slab, in bytes'}


def load_bench(paths):
    """Works of the files by name, the last one of a name counts, and what is said of the files."""
    works, files = {}, []
    for path in paths:
        try:
            content = json.loads(path.read_text())
            found = {work['work']: {**work, 'file': path.name} for work in content['works']}
        except (ValueError, KeyError, TypeError) as error:
            raise ztier.Failure(f'{path}: it is no JSON of `ztier bench` ({error}). '
                                'Name files that `ztier bench --json` has written') from error
        for work in found.values():
            works.pop(work['work'], None)
        works.update(found)
        files.append({'name': path.name, 'config': content.get('config', '?'),
                      'commit': content.get('commit', ''), 'runs': content.get('runs', '?'),
                      'base': content.get('base', {}).get('version', '?')})
    return works, files


def listed(text):
    """Names of works in the order of `ztier bench --list`."""
    return [line.split()[0] for line in text.splitlines() if line.strip()]


def in_groups(works, order):
    """[(group, [work])]: works of one kind together, in the order of the list."""
    names = [name for name in order if name in works] + [name for name in works if name not in order]
    groups = {}
    for name in names:
        options = works[name].get('options') or ['?']
        groups.setdefault(KINDS.get(options[0], options[0]), []).append(works[name])
    return list(groups.items())


def figure(work, kernel, name):
    return work['figures'].get(kernel, {}).get(name)


def amount(value):
    return '–' if value is None else f'{value:,.1f}' if abs(value) < 100 else f'{value:,.0f}'


def exact(value):
    return '–' if value is None else f'{value:,.3f}'


def bench(works, order):
    rows, table = [], []
    for group, members in in_groups(works, order):
        first = True
        for work in members:
            base, series = (figure(work, kernel, 'caller') for kernel in ('base', 'series'))
            if base is None and series is None:
                continue
            # half of the range on both sides, of either kernel
            error = sum(figure(work, kernel, 'spread') or 0 for kernel in ('base', 'series')) / 200
            ratio, total = work['ratio'].get('caller'), work['ratio'].get('total')
            row = {'group': group, 'first': first, 'label': work['work'], 'ratio': ratio,
                   'error': error, 'total': total}
            row['figure'] = f'{ratio:.3f}' if ratio else ''
            row['amounts'] = f'{amount(base)} → {amount(series)}'
            rows.append(row)
            first = False
            table.append([work['work'], work['unit'], exact(base), exact(series), exact(ratio),
                          exact(figure(work, 'base', 'spread')), exact(figure(work, 'series', 'spread')),
                          exact(figure(work, 'base', 'total')), exact(figure(work, 'series', 'total')),
                          exact(total), exact(work['ratio'].get('plain')),
                          exact(work['ratio'].get('outside')), work['file']])
    if not rows:
        return None
    known = [row for row in rows if row['ratio']]
    see = 'No work was measured on both kernels.'
    if known:
        low, high = min(known, key=lambda row: row['ratio']), max(known, key=lambda row: row['ratio'])
        see = (f'Left of 1 the caller has less to do than on base, right of it more: from '
               f'{low["ratio"]:.3f} ({low["label"]}) to {high["ratio"]:.3f} ({high["label"]}). '
               'The hollow diamond counts all CPUs until all memory is back, where that is another '
               'figure: work that is only put off is in it.')
    return {
        'id': 'bench', 'title': 'Base against series', 'see': see,
        'how': 'Instructions by unit of work, series by base, in QEMU with -icount, which counts '
               'no cache misses; the scale is logarithmic where ratios are far apart. The bar '
               'through a marker is half of the spread between rounds to each side, of both '
               'kernels. On the right the ratio, and the instructions of the caller on base → '
               'series; a dash is for what base does not have.',
        'legend': [('less', 'less than on base'), ('more', 'more than on base'),
                   ('same', 'no difference beyond the spread or 0.2 %')],
        'plot': {'kind': 'ratios', 'rows': rows},
        'tables': [{'title': 'By unit of work', 'rows': table, 'head': [
            'work', 'unit', 'caller base', 'caller series', 'ratio', 'spread % base',
            'spread % series', 'total base', 'total series', 'ratio', 'plain ratio',
            'outside ratio', 'file']}]}


PERCENTILES = ('50%', '90%', '99%', '99.9%', 'max')


def latency(work):
    lines, rows = [], []
    for kernel in ('base', 'series'):
        facts = work['facts'].get(kernel, {})
        values = [facts.get(f'latency_{name}') for name in PERCENTILES]
        if all(values):
            lines.append({'colour': kernel, 'name': kernel, 'values': values})
            rows.append([kernel, *(f'{value:,.1f}' for value in values)])
    if not lines:
        return None
    worst = ', '.join(f'{line["values"][-2]:,.1f} us on {line["name"]}' for line in lines)
    return {
        'id': f'latency-{work["work"]}', 'title': 'How long a load takes beside a store of large folios',
        'see': f'One load in a thousand takes longer than {worst}.',
        'how': f'{work["work"]} of bench: {work["about"]}; us of a CPU that takes a nanosecond for '
               'each instruction, logarithmic.',
        'legend': [(line['colour'], line['name']) for line in lines],
        'plot': {'kind': 'latency', 'unit': 'us', 'names': list(PERCENTILES), 'lines': lines},
        'tables': [{'title': 'us', 'head': ['kernel', *PERCENTILES], 'rows': rows}]}


# ---- profiles ---------------------------------------------------------------------

def read_profile(text):
    """(title, [(heading, totals, [(function, figures)])]) of a text of profile_svg.py"""
    lines = text.splitlines()
    sections = []
    for line in lines[1:]:
        heading = re.fullmatch(r'(\S.*): ([\d.]+(?: to [\d.]+)*)', line)
        function = re.fullmatch(r'\s*([\d.]+(?: to [\d.]+)*)  (\S.*)', line)
        if heading:
            sections.append((heading[1], [float(word) for word in heading[2].split(' to ')], []))
        elif function and sections:
            sections[-1][2].append((function[2], [float(word) for word in function[1].split(' to ')]))
        elif line.strip():
            raise ValueError(f'it has a strange line: {line}')
    if not sections:
        raise ValueError('it has no functions')
    return lines[0], sections


SHOWN = 12              # functions of a CPU in a picture
WORTH = 0.03            # of the largest section: what is below is in the table only


def profile(name, text, when, work):
    title, sections = read_profile(text)
    kernels = ('base', 'series') if len(sections[0][1]) == 2 else ('series',)
    most = max(max(totals) for _, totals, _ in sections)
    panels, tables = [], []
    for heading, totals, rows in sections:
        tables.append({'title': heading, 'head': ['function', *kernels], 'rows': [
            *([function, *(f'{value:,.1f}' for value in values)] for function, values in rows),
            ['all of it', *(f'{value:,.1f}' for value in totals)]]})
        if max(totals) >= WORTH * most:
            panels.append({'title': f'{heading}: ' + ' → '.join(f'{total:,.0f}' for total in totals),
                           'rows': [{'label': function, 'values': values}
                                    for function, values in rows[:SHOWN]]})
    left_out = len(sections) - len(panels)
    notes = [f'{SHOWN} functions of each CPU are in the picture, the table has '
             f'{"all sections" if left_out else "more"}.']
    caller = [figure(work, kernel, 'caller') for kernel in kernels] if work else []
    # callers on several CPUs have no section of their own
    if caller and all(caller) and not any(
            abs(total / value - 1) < 0.05 for total, value in zip(sections[0][1], caller)):
        notes.append('Its sums are not the figures above: this profile is of another run.')
    if len(kernels) == 2:
        change = defaultdict(float)
        for _, _, rows in sections:
            for function, values in rows:
                if not re.fullmatch(r'\d+ more', function):
                    # a part that the compiler has cut off is no other function
                    change[re.sub(r'(\.\w+)+$', '', function)] += values[1] - values[0]
        less, more = min(change, key=change.get), max(change, key=change.get)
        see = (f'{less} has {-change[less]:,.0f} instructions less, '
               f'{more} has {change[more]:,.0f} more.')
        if change[less] >= 0:
            see = f'{more} has {change[more]:,.0f} instructions more.'
    else:
        see = f'Most of it is {sections[0][2][0][0]}; base has no such work.'
    return {
        'id': f'profile-{name}', 'title': title, 'see': see,
        'how': f'Instructions by function, counted by the plugin of QEMU, of all rounds '
               f'({when}); without a profiler in the guest.',
        'legend': [(kernel, kernel) for kernel in kernels], 'notes': notes,
        'plot': {'kind': 'functions', 'panels': panels, 'colours': list(kernels)},
        'tables': tables}
