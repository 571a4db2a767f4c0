#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Usage: run.sh OPS THREAD_OPS FUZZ_INPUTS "SEED..." PROGRAM...
#
# Runs each program with each seed, as subtests of one KTAP report. Pages of
# 16 and 64 KiB take longer to write and compare: they get fewer operations.

set -u

ops=$1
thread_ops=$2
fuzz_inputs=$3
seeds=$4
shift 4

nr=0
failed=0
total=0
for seed in $seeds; do
	total=$((total + $#))
done

echo "TAP version 13"
echo "1..$total"
for program; do
	case $program in
	*-threads-*)	n=$thread_ops ;;
	*-fuzz-*)	n=$fuzz_inputs ;;
	*-14-*-*-*)	n=$((ops / 4)) ;;
	*-16-*-*-*)	n=$((ops / 16)) ;;
	*)	n=$ops ;;
	esac
	for seed in $seeds; do
		nr=$((nr + 1))
		name=${program#zsmalloc-}-seed-$seed
		# The status of the program, not of sed.
		status=$( {
			{
				"./$program" --ops "$n" --seed "$seed" 2>&1
				echo $? >&3
			} | sed -e "s/^TAP version 13/KTAP version 1\n  # Subtest: $name/" \
				-e 's/^/  /' >&4
		} 3>&1 ) 4>&1
		if [ "$status" = 0 ]; then
			echo "ok $nr $name"
		else
			echo "not ok $nr $name"
			failed=$((failed + 1))
		fi
	done
done
[ "$failed" = 0 ]
