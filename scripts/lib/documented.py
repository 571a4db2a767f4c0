#!/usr/bin/env python3
"""Which of the files, fields and events that a diff of the kernel adds no document tells of.

usage: documented.py TREE <DIFF

DIFF leads to TREE, as git diff prints it. What userspace sees of it is looked for by how
kernel code makes such things, not by running it: what a macro puts together from parts is
only found where the parts are put in. Prints a line for each that is missing, and on
stderr how many of each kind there are; the status is 1 if any is missing, 2 if nothing was
found at all.
"""

import re
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Kind:
    name: str
    made: str               # what makes one, in an added line of code
    told: str               # what tells of it in a document, %s is its name
    where: str              # which documents, below Documentation
    source: str = r'.*\.[ch]'
    missing: str = ''       # what to do


# As a name is told in a text: as a literal, the last part of a path or of event:name, in a list
# or at the begin of a line. A word of a sentence is no description.
NAMED = r'(?m)(?:``|[/:.]|^\s*|, )%s(?=``|/|[,.:]?(?:\s|$))'

KINDS = (
    Kind('sysfs', r'\b(?:DEVICE|DRIVER|BUS|CLASS|KOBJ)_ATTR(?:_RW|_RO|_WO)?\((\w+)\)?|&dev_attr_(\w+)\.attr|'
         r'&(\w+)_attr\.attr|\b_NODE_ATTR\((\w+),', r'(?m)^What:.*/%s/?$|^\s+%s\s+\(R[OW]\)|^\s+%s\s+\(WO\)',
         'ABI/*/*', missing='Add it to a file of Documentation/ABI/testing'),
    Kind('module parameter', r'\bmodule_param(?:_named|_cb)?\((\w+),', NAMED, '**/*.rst'),
    Kind('debugfs', r'\bdebugfs_create_\w+\("(\w+)"', NAMED, '**/*.rst'),
    Kind('tracepoint', r'\b(?:TRACE_EVENT|DEFINE_EVENT)\((?:\w+, )?(\w+),', NAMED, '**/*.rst'),
    Kind('vmstat', r'^\s*(?:\[I\(\w+\)\]\s*=\s*)?"(\w+)",$', NAMED, '**/*.rst', r'mm/vmstat\.c'),
    Kind('memory.stat', r'^\s*\{ "(\w+)",|seq_buf_printf\(\w+, "(\w+) %|^\s*(?!NR_|MEMCG_)([A-Z]\w+),$',
         r'(?m)^\t  %s(?: \(npn\))?$', 'admin-guide/cgroup-v2.rst', r'mm/memcontrol(-v1)?\.c'),
    Kind('meminfo', r'\bshow_val_kb\(\w+, "(\w+): *"', r'(?m)^%s$', 'filesystems/proc.rst'),
    Kind('cgroup file', r'^\s*\.name = "(\w+(?:\.\w+)+)",$', r'(?m)^  (?:memory\.)?%s$',
         'admin-guide/cgroup-v2.rst', r'mm/memcontrol(-v1)?\.c'),
)


def added(diff):
    """(file, line) of each added line."""
    name = ''
    for line in diff:
        if line.startswith('+++ '):
            name = line[4:].strip().removeprefix('b/')
        elif line.startswith('+') and name:
            yield name, line[1:].rstrip('\n')


def documents(tree, where, changed):
    """The text of those that the series changes; what it adds is nowhere else."""
    paths = (path for path in (tree / 'Documentation').glob(where)
             if path.is_file() and str(path.relative_to(tree)) in changed)
    return '\n'.join(path.read_text(encoding='utf-8', errors='replace') for path in sorted(paths))


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    tree = Path(sys.argv[1])
    lines = list(added(sys.stdin))
    changed = {name for name, _ in lines}
    wrong, counts = [], Counter()
    for kind in KINDS:
        text = None
        for source in sorted(changed):
            if not re.fullmatch(kind.source, source) or source.startswith(('tools/', 'samples/')):
                continue
            names = dict.fromkeys(
                name for file, line in lines if file == source
                for match in re.finditer(kind.made, line) for name in match.groups() if name)
            for name in names:
                # of events of cgroups, which are told in small letters
                name = name.lower() if kind.name == 'memory.stat' else name
                if name.startswith('_') or name in ('dev_attr_' + other for other in names):
                    continue
                if text is None:
                    text = documents(tree, kind.where, changed)
                counts[kind.name] += 1
                if not re.search(kind.told.replace('%s', re.escape(name)), text):
                    wrong.append(f'{kind.name} {name} ({source}): no document that the series changes tells of '
                                 f'it. {kind.missing or "Add it to one of Documentation/" + kind.where}')
    if not counts:
        wrong.append('no file, event or counter is found in the diff: is base..ztier of build/linux empty?')
    print(*wrong, sep='\n', end='\n' if wrong else '')
    print(*(f'{number} {name}' for name, number in counts.items()), sep=', ', file=sys.stderr)
    sys.exit(1 if wrong else 0)


if __name__ == '__main__':
    main()
