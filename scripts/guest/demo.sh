#!/bin/sh
# The guest's part of `ztier demo`: swaps a workload out and prints what the
# kernel says about it, one value per line: WHEN GROUP PLACE COUNTER VALUE. The
# host makes the table.

# shellcheck disable=SC3045 # busybox has read -t
set -eu
cd /sys/fs/cgroup
echo '+memory' >cgroup.subtree_control
groups='web batch archive cold'

mkfifo /tmp/go /tmp/said
# Open here, or the workloads would have to wait for each other.
exec 3<>/tmp/go 4<>/tmp/said

# expect LINE: what a workload says next
expect()
{
	if ! read -r -t 120 line <&4 || [ "$line" != "$1" ]; then
		echo "demo: expected '$1', got '${line:-nothing}'" >&2
		exit 1
	fi
}

# start GROUP NODE MIB TEXT: a workload on a node, swapped out by memory.reclaim
start()
{
	mkdir "$1"
	(
		echo 0 >"$1/cgroup.procs"
		exec workload "$@"
	) </tmp/go >/tmp/said 3>&- 4>&- &
	expect "$1 ready"
	# what can't be reclaimed at the first attempt may be at the next one
	for _ in 1 2 3; do
		echo "$3M swappiness=max" 2>/dev/null >"$1/memory.reclaim" && break
	done
}

counters()
{
	for group in root $groups; do
		dir=/sys/fs/cgroup
		[ "$group" = root ] || dir=$dir/$group
		awk -v at="$1 $group" '$1 ~ /^zswap(ped)?$/ {
			for (i = 2; i <= NF; i++) {
				split($i, pair, "=")
				print at, substr(pair[1], 2), $1, pair[2]
			}
		}' "$dir/memory.numa_stat"
		awk -v at="$1 $group" '$1 ~ /^zswap(ped)?$/ { print at, "stat", $1, $2 }' "$dir/memory.stat"
		# the root has none
		[ "$group" = root ] || echo "$1 $group stat current $(cat "$dir/memory.zswap.current")"
	done
	for node in /sys/devices/system/node/node[0-9]*; do
		awk -v at="$1 vmstat ${node##*node}" '$1 ~ /^nr_zswap(ped)?$/ { print at, $1, $2 }' "$node/vmstat"
	done
	echo "$1 pool all bytes $(cat /sys/kernel/debug/zswap/pool_total_size)"
}

# Without a cgroup of its own, its memory is the root's.
workload root 0 2 75 pageout </tmp/go >/tmp/said 3>&- 4>&- &
expect 'root ready'
start web 0 16 80
start batch 1 12 60
start archive 2 20 95
start cold 3 2 90
counters out

exec 3>&-	# end of file for all of them: they read everything back
for _ in root $groups; do
	read -r -t 300 name word wrong <&4
	echo "in $name check $word $wrong"
done
wait
counters in
