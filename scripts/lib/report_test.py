#!/usr/bin/env python3
"""Tests of `ztier report` on recorded figures (report_test/), as KTAP.

They read the recorded figures in a way of their own, the page as a browser does, and
in the end with one. Page and screenshots are kept in build/report/test.
"""

import json
import math
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

sys.path.insert(0, str(Path(__file__).resolve().parent))
import webdriver            # noqa: E402
import ztier                # noqa: E402
from results import Failed, need, run_case # noqa: E402

DATA = Path(__file__).resolve().parent / 'report_test'
OUT = ztier.BUILD / 'report/test'
MIB = 1 << 20
VOID = {'meta', 'link'}
FIGURES = ('time-private', 'time-nodes', 'moved-private', 'moved-nodes', 'bench',
           'latency-load-latency', 'profile-zswap-free', 'profile-store-lzo-4k',
           'profile-direct-store')


def same(found, expected, what):
    if found == expected:
        return
    for number, (one, other) in enumerate(zip(found, expected)):
        need(one == other, f'{what}, number {number} is {one}, expected {other}')
    raise Failed(f'{what}: {len(found)} found, {len(expected)} expected')


def make(*args):
    """Runs the command: status, stderr."""
    done = subprocess.run([ztier.TOP / 'scripts/ztier', 'report', *map(str, args)],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


class Page(HTMLParser):
    """Elements of a page, and whether each that begins ends."""

    def __init__(self, text):
        super().__init__()
        self.text, self.open, self.all = text, [], []
        self.feed(text)
        self.close()
        need(not self.open, 'these have no end:', self.open)

    def handle_starttag(self, tag, attrs):
        self.all.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.all.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        need(self.open and self.open[-1] == tag, f'</{tag}> ends', self.open[-1:])
        self.open.pop()

    def figure(self, name):
        found = re.findall(rf'<figure id="{re.escape(name)}">(.*?)</figure>', self.text, re.S)
        need(len(found) == 1, f'{len(found)} figures {name}')
        return found[0]

    def tables(self, name):
        """Rows of cells of each table of a figure, without heads."""
        return [[re.findall(r'<td[^>]*>(.*?)</td>', row) for row in re.findall(
                    r'<tr>(.*?)</tr>', table.split('<tbody>')[1], re.S)]
                for table in re.findall(r'<table>(.*?)</table>', self.figure(name), re.S)]

    def drawings(self, name):
        """The SVGs of a figure: wide, narrow."""
        return [ElementTree.fromstring(each) for each in
                re.findall(r'<svg.*?</svg>', self.figure(name), re.S)]


# ---- the recorded figures, read once more -------------------------------------------

def rounds(name):
    """[(time, {(group, counter, node): bytes})] of each round; {phase: rounds before it}."""
    found, phases, seen = [], {}, set()
    for line in (DATA / f'{name}.txt').read_text().splitlines():
        words = line.split()
        if words[0] == 'phase':
            phases[' '.join(words[2:])] = len(found)
        if words[0] != 'at':
            continue
        if not found or (words[2], words[3]) in seen:
            found.append((f'{int(words[1]) / 1000:.3f}', {}))
            seen = set()
        seen.add((words[2], words[3]))
        for node, value in enumerate(words[4:]):
            found[-1][1][words[2], words[3], node] = int(value)
    return found, phases


GROUPS = ('web', 'batch', 'archive', 'cold')


def test_time_private(page):
    found, _ = rounds('private')
    expected = [[time, *(f'{now.get(("web", counter, node), 0):,}' for node in range(2)
                         for counter in ('plain', 'zswap', 'zswapped'))] for time, now in found]
    same(page.tables('time-private')[0], expected, 'rows')


def heights(drawing, colour):
    """How high the areas in a colour reach over their panel's base, if nothing is below them."""
    paths = {path.get('id'): path.get('d') for path in drawing.iter('path') if path.get('id')}
    for use in drawing.iter('use'):
        if f'fill: var(--{colour});' in (use.get('style') or ''):
            ups = [float(y) for y in re.findall(r'[ML] -?[\d.]+ (-?[\d.]+)', paths[use.get('href')[1:]])]
            yield max(ups) - min(ups)


def test_areas_to_scale(page):
    found, _ = rounds('private')
    plain = max(now.get(('web', 'plain', 0), 0) for _, now in found)
    direct = max(now.get(('web', 'zswap', 1), 0) for _, now in found)
    for drawing in page.drawings('time-private'):
        scale = [max(heights(drawing, 'plain')) / plain, max(heights(drawing, 'direct')) / direct]
        need(max(scale) < 1.02 * min(scale), f'areas are not to scale: {scale}')


def test_time_nodes(page):
    found, _ = rounds('nodes')
    rows = page.tables('time-nodes')[0]
    expected = [[time, *(f'{now.get((group, "zswap", node), 0):,}' for node in range(4)
                         for group in GROUPS)] for time, now in found]
    same(rows, expected, 'rows')
    need(any(cell != '0' for row in rows for cell in row[1:]), 'there are only zeroes')


def widths(drawing):
    """{colour: widths of the bars in it} of a drawing."""
    found = {}
    for path in drawing.iter('path'):
        fill = re.search(r'fill: var\(--(\w+)\)', path.get('style') or '')
        across = [float(x) for x in re.findall(r'[ML] (-?[\d.]+) ', path.get('d') or '')]
        if fill and len(across) == 4:
            found.setdefault(fill[1], []).append(max(across) - min(across))
    return found


def proportional(drawing, bytes_of, name):
    """Whether bars are as long as what they stand for."""
    drawn = widths(drawing)
    scales = []
    for colour, values in bytes_of.items():
        lengths = drawn.get(colour, [])
        need(len(lengths) == len(values), f'{name}: {len(lengths)} bars in {colour}, not {len(values)}')
        for length, value in zip(lengths, values):
            if value > 0.02 * max(max(each) for each in bytes_of.values()):
                scales.append(length / value)
            else:
                need(length < 30, f'{name}: a bar of {value} is {length} long')
    need(scales and max(scales) < 1.02 * min(scales), f'{name}: bars are not to scale: {scales}')


def test_moved_private(page):
    found, at = rounds('private')
    rows, bars = [], {'plain': [], 'software': [], 'direct': []}
    for node in range(2):
        for when, phase in (('before', 'private node taken away'), ('after', 'all is read back')):
            now = found[at[phase] - 1][1]
            zswap = now.get(('web', 'zswap', node), 0)
            parts = [now.get(('web', 'plain', node), 0), *([zswap, 0] if node == 0 else [0, zswap])]
            rows.append([f'node {node}', when, *(f'{part:,}' for part in (*parts, sum(parts)))])
            for each, part in zip(bars.values(), parts):
                each.append(part)
    same(page.tables('moved-private')[0], rows, 'rows')
    for drawing in page.drawings('moved-private'):
        proportional(drawing, bars, 'moved-private')


def test_moved_nodes(page):
    found, at = rounds('nodes')
    rows, bars = [], {name: [] for name in ('one', 'two', 'three', 'four')}
    for node in range(4):
        for when, phase in (('before', 'node 2 taken offline'), ('after', 'node 2 is back')):
            now = found[at[phase] - 1][1]
            parts = [now.get((group, 'zswap', node), 0) for group in GROUPS]
            rows.append([f'node {node}', when, *(f'{part:,}' for part in (*parts, sum(parts)))])
            for each, part in zip(bars.values(), parts):
                each.append(part)
    same(page.tables('moved-nodes')[0], rows, 'rows')
    for drawing in page.drawings('moved-nodes'):
        proportional(drawing, bars, 'moved-nodes')
        said = {''.join(each.itertext()) for each in drawing.iter('text')}
        for row in rows:
            value = f'{int(row[-1].replace(",", "")) / MIB:.2f}'
            need(value in said, f'the picture does not say {value}')


def works():
    return {work['work']: work for work in json.loads((DATA / 'bench.json').read_text())['works']}


def test_bench(page):
    def cell(value):
        return '–' if value is None else f'{value:,.3f}'

    def row(work):
        def of(kernel, name):
            return cell(work['figures'].get(kernel, {}).get(name))
        return [work['work'], work['unit'], of('base', 'caller'), of('series', 'caller'),
                cell(work['ratio']['caller']), of('base', 'spread'), of('series', 'spread'),
                of('base', 'total'), of('series', 'total'), cell(work['ratio']['total']),
                cell(work['ratio']['plain']), cell(work['ratio'].get('outside')), 'bench.json']
    known = works()
    expected = [row(known[name]) for name in ('zswap-free', 'store-lzo-4k', 'direct-store')]
    same(page.tables('bench')[0], expected, 'rows')
    for drawing in page.drawings('bench'):
        said = ' '.join(''.join(each.itertext()) for each in drawing.iter('text'))
        for work in known.values():
            ratio = cell(work['ratio']['caller'])
            need(ratio == '–' or ratio in said, f'the picture does not say {ratio}')


def test_ratios_to_scale(page):
    ratios = [work['ratio']['caller'] for work in works().values() if work['ratio']['caller']]
    need(min(ratios) < 0.6, 'the recorded figures ask for no logarithmic scale')
    for drawing in page.drawings('bench'):
        stems = []
        for path in drawing.iter('path'):
            if re.search(r'stroke: var\(--(less|more|same)\)', path.get('style') or ''):
                begin, end = (float(x) for x in re.findall(r'[ML] (-?[\d.]+) ', path.get('d')))
                stems.append(end - begin)
        need(len(stems) == len(ratios), f'{len(stems)} of {len(ratios)} ratios are drawn')
        scale = [stem / math.log(ratio) for stem, ratio in zip(stems, ratios)]
        # a hundredth of a pixel is much where the stem is short
        need(min(scale) > 0 and max(scale) < 1.05 * min(scale), f'ratios are not to scale: {scale}')


def test_latency(page):
    facts = works()['load-latency']['facts']['series']
    same(page.tables('latency-load-latency')[0],
         [['series', *(f'{facts["latency_" + name]:,.1f}' for name in
                       ('50%', '90%', '99%', '99.9%', 'max'))]], 'rows')


def test_profiles(page):
    for name in ('zswap-free', 'store-lzo-4k', 'direct-store'):
        expected = []
        for line in (DATA / f'{name}.txt').read_text().splitlines()[1:]:
            if line.startswith('CPU'):
                total = line.rsplit(': ', 1)[1].split(' to ')
                expected.append([['all of it', *(f'{float(each):,.1f}' for each in total)]])
            elif line:
                figures, function = line.strip().split('  ', 1)
                expected[-1].insert(-1, [function, *(f'{float(each):,.1f}'
                                                     for each in figures.split(' to '))])
        same(page.tables(f'profile-{name}'), expected, f'{name}, sections')
        first = [[float(each.replace(',', '')) for each in row[1:]] for row in expected[0][:3]]
        for drawing in page.drawings(f'profile-{name}'):
            drawn = widths(drawing)
            bars = list(zip(*(drawn[kind] for kind in ('base', 'series') if kind in drawn)))[:3]
            scale = [length / value for row, values in zip(bars, first)
                     for length, value in zip(row, values) if value > 0.02 * first[0][0]]
            need(len(scale) >= 3 and max(scale) < 1.02 * min(scale), f'{name} is not to scale: {scale}')


# ---- the page itself ----------------------------------------------------------------

def test_complete(page):
    same([attrs['id'] for tag, attrs in page.all if tag == 'figure'], list(FIGURES), 'figures')
    for name in FIGURES:
        inside = page.figure(name)
        for what in ('<h3>', '<p>', 'class=legend', '<figcaption>', '<details>', '<summary>'):
            need(what in inside, f'{name} has no {what}')
        need(len(page.drawings(name)) == 2, f'{name} is not drawn for two widths')
        need(re.search(r'<p>[^<]{20,}</p>', inside), f'{name} has no sentence on what to see')
    need(len(page.text.encode()) < 2_000_000, f'it is {len(page.text.encode())} bytes large')


def test_self_contained(page):
    names = [attrs['id'] for _, attrs in page.all if 'id' in attrs]
    same(sorted(set(names)), sorted(names), 'each id is there once: ids')
    for tag, attrs in page.all:
        need(tag not in ('script', 'img', 'iframe', 'object', 'embed', 'base', 'video', 'audio'),
             f'there is a <{tag}>')
        for name, value in attrs.items():
            need(name not in ('src', 'srcset', 'data', 'action') and not name.startswith('on'),
                 f'<{tag} {name}={value}>')
            if name in ('href', 'xlink:href'):
                need(value == 'data:,' or value[:1] == '#' and value[1:] in names,
                     f'<{tag} {name}={value}> is of elsewhere, or not there')
            if name == 'aria-labelledby':
                need(all(word in names for word in value.split()), f'{value} is not there')
    for goal in re.findall(r'url\(([^)]*)\)', page.text):
        need(goal.strip('\'"').startswith('#') and goal.strip('\'"')[1:] in names,
             f'url({goal}) is of elsewhere, or not there')
    need(not re.search(r'https?:|@import|//[a-z]', page.text), 'it refers to the network')
    unknown = set(re.findall(r'var\(--([\w-]+)\)', page.text)) - \
        set(re.findall(r'--([\w-]+):', page.text))
    need(not unknown, f'colours that the page does not have: {unknown}')
    need(not re.search(r'#fe[0-9a-f]{2}dc', page.text), 'a colour has not been replaced')


def luminance(colour):
    parts = [int(colour[at:at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
                        for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_contrast(page):
    schemes = re.findall(r':root \{(.*?)\}', page.text, re.S)
    need(len(schemes) == 2, f'{len(schemes)} schemes of colours')
    for scheme in schemes:
        colours = dict(re.findall(r'--(\w+): (#[0-9a-f]{6})', scheme))
        for name, colour in colours.items():
            if name in ('paper', 'line', 'sheet'):
                continue
            dark, light = sorted((luminance(colour), luminance(colours['paper'])))
            ratio = (light + 0.05) / (dark + 0.05)
            need(ratio >= (4.5 if name in ('text', 'faint', 'link') else 3),
                 f'{name}, {colour}: contrast {ratio:.2f}')


def test_nothing_there(_):
    empty = OUT / 'empty'
    empty.mkdir(exist_ok=True)
    (empty / 'none.json').write_text('{"works": []}')
    status, said = make('--recorded', empty, '--bench', empty / 'none.json', '--out', OUT / 'empty.html')
    need(status == 1, f'its status is {status}: {said}')
    page = Page((OUT / 'empty.html').read_text())
    for title, command in (
            ('One cgroup, compressed by a CPU and by a device', 'demo.sh timeline private'),
            ('Four cgroups, four nodes', 'demo.sh timeline nodes'),
            ('A private node is taken away', 'scripts/ztier report'),
            ('A node is taken offline', 'scripts/ztier report'),
            ('Base against series', '<code>scripts/ztier bench</code>'),
            ('Profiles', '<code>scripts/ztier bench --profile')):
        after = page.text.split(f'{title}', 1)
        need(len(after) == 2 and command in after[1][:700], f'it does not say how to have {title}')
        need(title in said, f'stderr says nothing of {title}')
    need('<figure' not in page.text, 'there are pictures of nothing')


def test_bad_input(_):
    bad = OUT / 'bad.json'
    bad.write_text('{"works": [{}]}')
    status, said = make('--recorded', DATA, '--bench', bad, '--out', OUT / 'bad.html')
    need(status == 1 and 'bad.json' in said and 'ztier bench' in said, f'{status}: {said}')
    status, said = make('--recorded', DATA, '--bench', OUT / 'none.json')
    need(status == 2 and 'none.json' in said, f'{status}: {said}')
    status, said = make('--recorded', OUT / 'none')
    need(status == 2 and 'none' in said, f'{status}: {said}')
    need(not (OUT / 'bad.html').exists(), 'there is a page all the same')


# ---- in a browser -------------------------------------------------------------------

LOOK = '''
const wide = document.documentElement, found = {outside: [], empty: [], seen: 0};
for (const details of document.querySelectorAll('details')) details.open = arguments[0];
found.width = wide.scrollWidth;
found.window = innerWidth;
found.loaded = performance.getEntriesByType('resource').length;
found.paper = getComputedStyle(document.body).backgroundColor;
for (const svg of document.querySelectorAll('svg')) {
	const box = svg.getBoundingClientRect();
	if (!svg.parentNode.checkVisibility()) continue;
	found.seen++;
	if (box.width < 300 || box.height < 40) found.empty.push(svg.getAttribute('aria-labelledby'));
	const ends = [];
	for (const text of svg.querySelectorAll('text')) {
		const at = text.getBoundingClientRect();
		if (at.left < box.left - 1 || at.right > box.right + 1 || at.top < box.top - 1 ||
		    at.bottom > box.bottom + 1 || at.right > innerWidth)
			found.outside.push(text.textContent);
		for (const end of ends)
			if (at.left < end.right - 1 && end.left < at.right - 1 &&
			    at.top < end.bottom - 4 && end.top < at.bottom - 4)
				found.outside.push(end.words + ' / ' + text.textContent);
		ends.push({left: at.left, right: at.right, top: at.top, bottom: at.bottom,
			   words: text.textContent});
	}
}
return found;
'''


def looks_at(browser, path, width, scheme):
    browser.open(path.as_uri(), width, 900, scheme)
    for opened in (False, True):
        found = browser.evaluate(LOOK.replace('arguments[0]', 'true' if opened else 'false'))
        need(found['width'] <= found['window'] == width,
             f'at {width} pixels, {scheme}, it is {found["width"]} wide')
        need(found['loaded'] == 0, f'it loads {found["loaded"]} files')
        need(found['seen'] == len(FIGURES), f'{found["seen"]} pictures are to be seen')
        need(not found['empty'], f'pictures without a size: {found["empty"]}')
        need(not found['outside'], f'at {width} pixels, text in the way or cut off: '
             f'{found["outside"][:5]}')
        paper = [int(word) for word in re.findall(r'\d+', found['paper'])[:3]]
        need((sum(paper) < 200) == (scheme == 'dark'), f'{scheme}, but the paper is {found["paper"]}')
    browser.evaluate('for (const each of document.querySelectorAll("details")) each.open = false')
    browser.screenshot(OUT / f'{width}-{scheme}.png')
    complaints = browser.console()
    need(not complaints, f'the console says: {complaints}')


def browser_tests():
    """(name, test) of each; what is said if there is no browser."""
    cases = [(width, scheme) for width in (1280, 400) for scheme in ('light', 'dark')]
    try:
        with webdriver.Browser() as browser:
            for width, scheme in cases:
                yield (f'browser_{width}_{scheme}',
                       lambda _, size=width, kind=scheme: looks_at(browser, OUT / 'report.html', size, kind))
    except webdriver.NoBrowser as why:
        for width, scheme in cases:
            yield f'browser_{width}_{scheme}', str(why)


TESTS = [(name.removeprefix('test_'), test) for name, test in list(globals().items())
         if name.startswith('test_')]


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    print('TAP version 13')
    goal = OUT / 'report.html'
    status, said = make('--recorded', DATA, '--bench', DATA / 'bench.json', '--out', goal)
    if 'the pictures need matplotlib' in said:
        print('1..0 # SKIP matplotlib is not installed and can\'t be downloaded')
        return 0
    print(f'1..{len(TESTS) + 5}', flush=True)
    number, failed, page = 0, 0, None

    def run(name, test):
        nonlocal number, failed
        number += 1
        failed += not run_case(number, name, test if isinstance(test, str) else lambda: test(page))

    def well_formed(_):
        nonlocal page
        need(status == 0, f'its status is {status}: {said}')
        page = Page(goal.read_text())

    run('well_formed', well_formed)
    for name, test in TESTS:
        run(name, test)
    for name, test in browser_tests():
        run(name, test)
    return 1 if failed else 0


if __name__ == '__main__':
    ztier.main(main)
