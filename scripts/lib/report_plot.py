#!/usr/bin/env python3
"""The pictures of `ztier report`, by matplotlib.

Run as a program, which may need another environment than the command that wants
the pictures: stdin has {name: plot} as JSON, stdout {name: [wide, narrow]}, each
an SVG for inclusion in HTML. Its colours are variables of CSS, so that it is
readable on light and on dark, and its text is text.
"""

import io
import json
import re
import sys

import matplotlib
matplotlib.use('svg')
from matplotlib import pyplot                   # noqa: E402
from matplotlib.ticker import (FuncFormatter, LogLocator, MaxNLocator, NullFormatter,   # noqa: E402
                               NullLocator)

# Of a picture, in CSS pixels: for pages as wide as this, and for telephones.
WIDE, NARROW = 1040, 364
# What matplotlib draws in a colour that nobody means is one of these in CSS.
NAMES = ('text', 'faint', 'line', 'paper', 'plain', 'software', 'direct', 'outline', 'one', 'two',
         'three', 'four', 'base', 'series', 'less', 'more', 'same')
STAND_IN = {name: f'#fe{number:02x}dc' for number, name in enumerate(NAMES)}


def colour(name):
    return STAND_IN[name]


def number(value):
    return f'{value:,.0f}' if abs(value) >= 100 else f'{value:.3g}'


class Sheet:
    """A figure on which places are in pixels from the top left corner."""

    def __init__(self, width, height):
        self.width, self.height = width, height
        self.figure = pyplot.figure(figsize=(width / 72, height / 72), dpi=72)

    def axes(self, left, top, right, bottom, **kwargs):
        axes = self.figure.add_axes((left / self.width, 1 - bottom / self.height,
                                     (right - left) / self.width, (bottom - top) / self.height),
                                    facecolor='none', **kwargs)
        for side in ('top', 'right', 'left', 'bottom'):
            axes.spines[side].set_visible(False)
        axes.tick_params(length=0, colors=colour('faint'), labelcolor=colour('text'))
        axes.set_axisbelow(True)
        return axes

    def text(self, x, y, words, **kwargs):
        kwargs.setdefault('color', colour('text'))
        kwargs.setdefault('va', 'center')
        self.figure.text(x / self.width, 1 - y / self.height, words, **kwargs)

    def svg(self, name):
        out = io.StringIO()
        self.figure.savefig(out, format='svg', transparent=True,
                            metadata={'Date': None, 'Creator': None, 'Format': None, 'Type': None})
        pyplot.close(self.figure)
        return tidy(out.getvalue(), name, self.width, self.height)


def tidy(svg, name, width, height):
    """What is left of matplotlib's document once it is part of another."""
    svg = svg[svg.index('<svg'):]
    svg = re.sub(r'<metadata>.*?</metadata>', '', svg, flags=re.S)
    svg = re.sub(r'<svg [^>]*>', f'<svg viewBox="0 0 {width} {height}" role="img" '
                 f'aria-labelledby="{name}-title {name}-desc">', svg, count=1, flags=re.S)
    # names are the document's, of which there are many on one page
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', svg)
    svg = re.sub(r'url\(#([^)]+)\)', rf'url(#{name}-\1)', svg)
    svg = re.sub(r'xlink:href="#([^"]+)"', rf'href="#{name}-\1"', svg)
    svg = re.sub(r"'DejaVu Sans'[^;\"]*", 'var(--font)', svg)
    for word, stand_in in STAND_IN.items():
        svg = svg.replace(stand_in, f'var(--{word})')
    svg = re.sub(r'<!--.*?-->\s*', '', svg, flags=re.S)
    # groups that nobody refers to need no name
    used = set(re.findall(r'(?:url\(|href=")#([^")]+)', svg))
    svg = re.sub(r' id="([^"]+)"', lambda match: match[0] if match[1] in used else '', svg)
    svg = re.sub(r'\n\s*', '\n', svg)
    # coordinates to a hundredth of a pixel; not what is text
    return re.sub(r'<[^>]*>', lambda tag: re.sub(r'(\d+\.\d\d)\d+', r'\1', tag[0]), svg).strip()


# ---- kinds of plots -----------------------------------------------------------

def areas(plot, width):
    """One panel below the other: what is on a node over time."""
    narrow = width == NARROW
    left, right, height, gap = 30, width - 10, 124 if narrow else 160, 36
    panels, top = plot['panels'], 44
    sheet = Sheet(width, top + len(panels) * (height + gap) + 12)
    begin, end = min(plot['time'][0], *plot['phases']), plot['time'][-1]
    for mark, time in enumerate(plot['phases'], 1):
        sheet.text(left + (right - left) * (time - begin) / (end - begin), top - 9, str(mark),
                   weight='bold', ha='center', size=12)
    highest = max(max(map(sum, zip(*(each['values'] for each in panel['stack']))))
                  for panel in panels)
    highest = max([highest, *(max(panel['line']['values']) for panel in panels if panel.get('line'))])
    for index, panel in enumerate(panels):
        axes = sheet.axes(left, top, right, top + height)
        axes.stackplot(plot['time'], *(each['values'] for each in panel['stack']),
                       colors=[colour(each['colour']) for each in panel['stack']],
                       edgecolor=colour('paper'), linewidth=0.6)
        if panel.get('line'):
            axes.plot(plot['time'], panel['line']['values'], color=colour('outline'),
                      linewidth=1.6, linestyle=(0, (4, 2)))
        axes.set_xlim(begin, end)
        axes.set_ylim(0, highest * 1.06)
        axes.yaxis.set_major_locator(MaxNLocator(3 if narrow else 4, integer=True))
        axes.xaxis.set_major_locator(MaxNLocator(5 if narrow else 10, integer=True))
        axes.grid(axis='y', color=colour('line'), linewidth=1)
        axes.spines['bottom'].set_visible(True)
        axes.spines['bottom'].set_color(colour('faint'))
        if index < len(panels) - 1:
            axes.set_xticklabels([])
        title = top - (30 if not index else 14)
        sheet.text(0, title, panel['title'], weight='bold')
        if not index:
            sheet.text(right, title, plot['unit'], color=colour('faint'), ha='right')
        for time in plot['phases']:
            axes.axvline(time, color=colour('faint'), linewidth=1, linestyle=(0, (1, 2)))
        top += height + gap
    sheet.text(right, top, 'seconds', color=colour('faint'), ha='right')
    return sheet


def bars(plot, width):
    """Before and after, by node: stacked bars that lie."""
    left, right, top, bar = 112 if width == NARROW else 150, width - 56, 8, 20
    rows = plot['rows']
    sheet = Sheet(width, top + sum(bar + (14 if row['last'] else 3) for row in rows) + 34)
    bottom = sheet.height - 34
    axes = sheet.axes(left, top, right, bottom)
    axes.set_ylim(bottom - top, 0)
    highest = max(sum(part['value'] for part in row['parts']) for row in rows)
    axes.set_xlim(0, highest)
    axes.xaxis.set_major_locator(MaxNLocator(4 if width == NARROW else 8))
    axes.yaxis.set_major_locator(NullLocator())
    axes.grid(axis='x', color=colour('line'), linewidth=1)
    y = 0
    for row in rows:
        start = 0
        for part in row['parts']:
            axes.barh(y + bar / 2, part['value'], left=start, height=bar,
                      color=colour(part['colour']), edgecolor=colour('paper'), linewidth=0.8)
            start += part['value']
        axes.annotate(f'{start:.2f}', (start, y + bar / 2), xytext=(5, 0), va='center',
                      textcoords='offset points', color=colour('text'), annotation_clip=False)
        if row['first']:
            sheet.text(0, top + y + bar / 2, row['label'], weight='bold')
        sheet.text(left - 8, top + y + bar / 2, row['when'], ha='right', color=colour('text'))
        y += bar + (14 if row['last'] else 3)
    sheet.text(right, bottom + 27, plot['unit'], color=colour('faint'), ha='right')
    return sheet


def scale(axes, plot):
    """Logarithmic if the ratios are far apart; around 1 in any case."""
    seen = [value for row in plot['rows'] for value in (row.get('ratio'), row.get('total')) if value]
    seen += [row['ratio'] * (1 + sign * row['error']) for row in plot['rows'] if row.get('ratio')
             for sign in (-1, 1)]
    low, high = min(seen, default=1), max(seen, default=1)
    if low < 0.6 or high > 1.7:
        axes.set_xscale('log')
        ticks = [0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10, 20, 50, 100]
        low, high = min(low * 0.85, 0.85), max(high * 1.15, 1.15)
        axes.set_xlim(low, high)
        axes.set_xticks([tick for tick in ticks if low <= tick <= high])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        reach = max(1 - low, high - 1, 0.01) * 1.2
        axes.set_xlim(1 - reach, 1 + reach)
        axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f'{value:g}'))


def ratios(plot, width):
    """Dots left and right of 1, in groups."""
    narrow = width == NARROW
    left, right = (8, width - 12) if narrow else (200, width - 250)
    line, head, top = (42 if narrow else 26), 30, 26
    height = sum(line + (head if row['first'] else 0) for row in plot['rows'])
    sheet = Sheet(width, top + height + 14)
    axes = sheet.axes(left, top, right, top + height)
    axes.set_ylim(height, 0)
    scale(axes, plot)
    axes.xaxis.tick_top()
    axes.yaxis.set_major_locator(NullLocator())
    axes.grid(axis='x', color=colour('line'), linewidth=1)
    axes.axvline(1, color=colour('faint'), linewidth=1.5)
    y = 0
    for row in plot['rows']:
        if row['first']:
            sheet.text(0, top + y + head - 11, row['group'], weight='bold')
            y += head
        words = (14, y + 12) if narrow else (14, y + line / 2)
        middle = y + 29 if narrow else y + line / 2
        sheet.text(words[0], top + words[1], row['label'])
        if narrow:
            figures = ' · '.join(filter(None, (row['figure'], row['amounts'])))
            sheet.text(width - 4, top + words[1], figures, ha='right')
        else:
            sheet.text(right + 64, top + words[1], row['figure'], ha='right', weight='bold')
            sheet.text(width, top + words[1], row['amounts'], ha='right')
        if row.get('ratio'):
            kind = ('same' if abs(row['ratio'] - 1) <= row['ratio'] * row['error'] + 0.002 else
                    'less' if row['ratio'] < 1 else 'more')
            axes.plot([1, row['ratio']], [middle, middle], color=colour(kind), linewidth=2.5,
                      solid_capstyle='butt')
            axes.errorbar(row['ratio'], middle, xerr=row['ratio'] * row['error'], fmt='none',
                          ecolor=colour('text'), elinewidth=1.4, capsize=5, zorder=2.5)
            marker = {'same': 'o', 'less': '<', 'more': '>'}[kind]
            axes.plot(row['ratio'], middle, marker, color=colour(kind), markersize=11, zorder=3,
                      markeredgecolor=colour('paper'), markeredgewidth=0.8)
        # where it is another figure
        if row.get('total') and abs(row['total'] / (row.get('ratio') or row['total']) - 1) > 0.01:
            axes.plot(row['total'], middle, 'D', markersize=7, markerfacecolor='none',
                      markeredgecolor=colour('text'), markeredgewidth=1.3, zorder=5)
        y += line
    return sheet


def functions(plot, width):
    """Instructions by function, base above series."""
    narrow = width == NARROW
    left, right = (0, width - 4) if narrow else (310, width - 150)
    line, head, top = (40 if narrow else 25), 38, 0
    height = sum(head + line * len(panel['rows']) for panel in plot['panels'])
    sheet = Sheet(width, top + height + 8)
    axes = sheet.axes(left, top, right, top + height)
    axes.set_ylim(height, 0)
    longest = max(max(row['values']) for panel in plot['panels'] for row in panel['rows'])
    axes.set_xlim(0, longest or 1)
    axes.xaxis.set_major_locator(NullLocator())
    axes.yaxis.set_major_locator(NullLocator())
    y = 0
    for panel in plot['panels']:
        sheet.text(0, top + y + head - 15, panel['title'], weight='bold')
        y += head
        for row in panel['rows']:
            words, middle = (y + 10, y + 27) if narrow else (y + line / 2, y + line / 2)
            sheet.text(0 if narrow else left - 10, top + words, row['label'],
                       ha='left' if narrow else 'right')
            for index, (value, kind) in enumerate(zip(row['values'], plot['colours'])):
                axes.barh(middle - 4.5 + 9 * index, value, height=8, color=colour(kind))
            figures = ' → '.join(number(value) for value in row['values'])
            sheet.text(width, top + words, figures, ha='right')
            y += line
    return sheet


def latency(plot, width):
    """Percentiles, base beside series, on a logarithmic scale."""
    narrow = width == NARROW
    sheet = Sheet(width, 250 if narrow else 300)
    axes = sheet.axes(56, 12, width - 14, sheet.height - 34)
    places = range(len(plot['names']))
    for each, marker in zip(plot['lines'], 'os'):
        axes.plot(places, each['values'], '-' + marker, color=colour(each['colour']), linewidth=2.2,
                  markersize=8, markeredgecolor=colour('paper'))
    axes.set_yscale('log')
    axes.set_xticks(list(places), plot['names'])
    axes.set_xlim(-0.3, len(plot['names']) - 0.7)
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f'{value:,.0f}'))
    axes.grid(axis='y', color=colour('line'), linewidth=1)
    sheet.text(0, 14, plot['unit'], color=colour('faint'))
    return sheet


KINDS = {'areas': areas, 'bars': bars, 'ratios': ratios, 'functions': functions,
         'latency': latency}


def main():
    matplotlib.rcParams.update({
        'svg.fonttype': 'none', 'svg.hashsalt': 'ztier', 'text.parse_math': False,
        'font.family': 'DejaVu Sans', 'font.size': 13, 'text.color': colour('text'),
        'hatch.linewidth': 1})
    drawn = {}
    for name, plot in json.load(sys.stdin).items():
        drawn[name] = [KINDS[plot['kind']](plot, width).svg(f'{name}-{kind}')
                       for kind, width in (('wide', WIDE), ('narrow', NARROW))]
    json.dump(drawn, sys.stdout)


if __name__ == '__main__':
    main()
