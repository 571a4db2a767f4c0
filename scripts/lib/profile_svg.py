"""A profile of one work on one or two kernels, as a picture (SVG) and as text."""

from collections import Counter
from html import escape

PHASES = {1: 'until the call returns', 2: 'after that, until all memory is back'}
SHOWN = 24              # functions of a phase on a CPU; the others are one bar
COLOURS = ('#9aa5b1', '#d9622b')
NAMES, BARS, NUMBERS = 290, 480, 170
LINE, BAR = 26, 9
WIDTH = NAMES + BARS + NUMBERS


def load(counts):
    """{(phase, CPU): Counter of functions}"""
    result = {}
    with open(counts, encoding='utf-8') as file:
        for line in file:
            if line.startswith('count '):
                _, phase, cpu, number, name = line.split()
                result.setdefault((int(phase), int(cpu)), Counter())[name] += int(number)
    return result


def sections(profiles, units, cpus):
    """For each phase and CPU: its title, and the functions with a figure of each kernel."""
    keys = sorted({key for profile in profiles.values() for key in profile if key[1] < cpus})
    for key in keys:
        each = [profile.get(key, Counter()) for profile in profiles.values()]
        scale = [1 / units[name] for name in profiles]
        totals = [sum(counter.values()) * by for counter, by in zip(each, scale)]
        if max(totals) < 1:
            continue
        names = sorted(set().union(*each), key=lambda name: -max(counter[name] * by for counter, by
                                                                 in zip(each, scale)))
        rows = [(name, [counter[name] * by for counter, by in zip(each, scale)])
                for name in names[:SHOWN]]
        if names[SHOWN:]:
            rows.append((f'{len(names) - SHOWN} more', [
                sum(counter[name] for name in names[SHOWN:]) * by for counter, by in zip(each, scale)]))
        yield f'CPU {key[1]}, {PHASES.get(key[0], key[0])}', totals, rows


def text(x, y, words, size=12, anchor='start', colour='#1f2933', weight='normal'):
    return (f'<text x="{x}" y="{y}" font-size="{size}" text-anchor="{anchor}" fill="{colour}" '
            f'font-weight="{weight}">{escape(words)}</text>')


def write(path, title, unit, counts, units, cpus):
    """
    Writes PATH.svg and PATH.txt. COUNTS: the file of each kernel by its name; UNITS: how
    many of UNIT it is of. CPUs from CPUS on were not part of the work.
    """
    profiles = {name: load(file) for name, file in counts.items()}
    found = list(sections(profiles, units, cpus))
    longest = max((max(figures) for _, _, rows in found for _, figures in rows), default=1)
    parts, lines, y = [], [f'{title}: instructions for one {unit}'], 34
    parts.append(text(16, y, f'{title}: instructions for one {unit}', 17, weight='bold'))
    for name, colour in zip(profiles, COLOURS):
        y += 20
        parts.append(f'<rect x="16" y="{y - 10}" width="12" height="12" fill="{colour}"/>')
        parts.append(text(34, y, name))
    for heading, totals, rows in found:
        y += 44
        sums = ' to '.join(f'{total:.1f}' for total in totals)
        parts.append(text(16, y, f'{heading}: {sums}', 14, weight='bold'))
        lines += ['', f'{heading}: {sums}']
        for name, figures in rows:
            y += LINE
            parts.append(text(NAMES - 8, y + 4, name, anchor='end'))
            for number, (figure, colour) in enumerate(zip(figures, COLOURS)):
                top = y - BAR + number * (BAR + 1)
                parts.append(f'<rect x="{NAMES}" y="{top}" height="{BAR}" fill="{colour}" '
                             f'width="{max(BARS * figure / longest, 0.5):.1f}"/>')
            numbers = ' to '.join(f'{figure:.1f}' for figure in figures)
            parts.append(text(WIDTH - 16, y + 4, numbers, anchor='end', colour='#52606d'))
            lines.append(f'{numbers:>20}  {name}')
    y += 30
    path.with_name(path.name + '.svg').write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" '
        f'viewBox="0 0 {WIDTH} {y}" font-family="sans-serif">\n'
        f'<rect width="{WIDTH}" height="{y}" fill="#ffffff"/>\n' + '\n'.join(parts) + '\n</svg>\n')
    path.with_name(path.name + '.txt').write_text('\n'.join(lines) + '\n')
