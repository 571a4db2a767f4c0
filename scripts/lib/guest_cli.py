"""The command line that `run` and `shell` share."""

import argparse
import os
from pathlib import Path

import guest
import ztier


def parse():
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.error = ztier.usage_error
    parser.add_argument('--help', action='store_true')
    parser.add_argument('--base', action='store_true')
    parser.add_argument('--config', default='lean')
    parser.add_argument('--kernel', type=Path)
    parser.add_argument('--topology', default='uma')
    parser.add_argument('--cpus', type=ztier.positive, default=0)
    parser.add_argument('--mem', default='')
    parser.add_argument('--icount', action='store_true')
    parser.add_argument('--add', action='append', default=[])
    parser.add_argument('--timeout', type=ztier.positive, default=600)
    parser.add_argument('--append', action='append', default=[])
    parser.add_argument('--no-panic-on-warn', action='store_true')
    parser.add_argument('--log', action='store_true')
    parser.add_argument('command', nargs=argparse.REMAINDER)
    args = parser.parse_args()
    if args.help:
        ztier.usage()
    if args.command[:1] == ['--']:
        del args.command[0]
    return args


def main(interactive=False):
    args = parse()
    if interactive and args.command:
        ztier.usage_error(f"unexpected '{args.command[0]}'. To run a command: ztier run")
    if not interactive and not args.command:
        ztier.usage_error('no command given')
    if args.icount and args.cpus > 1:
        ztier.usage_error(f'--cpus {args.cpus}: with --icount the clock would count for all of them')
    kernel = args.kernel or ztier.image(args.base, args.config)
    machine = guest.Guest(
        kernel=kernel, arch='x86_64' if args.kernel else ztier.arch_of(kernel), topology=args.topology,
        cpus=args.cpus, mem=args.mem, icount=args.icount, adds=args.add,
        kernel_args=args.append, timeout=args.timeout,
        panic_on_warn=not args.no_panic_on_warn,
        show_log=args.log or ztier.VERBOSE, name=f'{ztier.COMMAND}-{os.getpid()}')
    return machine.interact() if interactive else machine.run(args.command)
