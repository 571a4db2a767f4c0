#!/bin/sh
# The guest's part of `ztier demo`: swaps a workload out and prints what the
# kernel says about it, one value per line: WHEN GROUP PLACE COUNTER VALUE. The
# host makes the table. Lines that begin with | are what zswapstat shows. As
# "demo.sh private" it stores pages on a private node instead, and the lines are:
# private KIND PLACE COUNTER VALUE. As "demo.sh direct" it swaps one workload out to
# zswap in RAM and to zswap on the node: direct WAY PLACE COUNTER VALUE.
#
# And of `ztier report`: as "demo.sh timeline private" it swaps a workload out to
# both in turn and takes the node away, as "demo.sh timeline nodes" it takes a node
# offline on which a cgroup has compressed pages. Meanwhile the program timeline
# prints who holds what where.

# shellcheck disable=SC3045 # busybox has read -t
set -eu

# word FILE WORD: the number after it
word()
{
	awk -v word="$2" '$1 == word { print $NF == "kB" ? $(NF - 1) : $NF; exit }' "$1"
}

# of_node FILE, of_device FILE: what the node says, and the device behind it
of_node()
{
	cat "$node/private/$1"
}

of_device()
{
	cat "$emul/$1"
}

# at_rest: whether the node knows of all that the device holds
at_rest()
{
	[ "$(of_node media_used)" = "$(of_device media_used)" ] &&
		[ "$(of_node budget_bytes)" = $(($(of_node media_total) - $(of_node media_used))) ]
}

wait_for_rest()
{
	for _ in $(seq 100); do
		at_rest && return
		sleep 0.1
	done
	echo "demo: the node does not learn what the device holds" >&2
	exit 1
}

# store KIND FIRST COUNT PERCENT: pages, of each that part random
store()
{
	stored=$(word $user/stats private) refused=$(of_node refused)
	echo "$2 $3 1 $4" >$user/store
	wait_for_rest
	echo "private $1 user tried $3"
	echo "private $1 user stored $(($(word $user/stats private) - stored))"
	echo "private $1 node refused $(($(of_node refused) - refused))"
	echo "private $1 node media_used $(of_node media_used)"
	echo "private $1 node budget $(of_node budget_bytes)"
	echo "private $1 node open $([ "$(of_node state)" = open ] && echo 1 || echo 0)"
}

# check KIND: how often something is wrong in what was stored
check()
{
	echo "0 100000" >$user/check || true
	echo "private $1 user wrong $(($(word $user/stats wrong) + $(word $user/stats lost)))"
	echo "private $1 machine MemTotal $(word /proc/meminfo MemTotal:)"
}

private_node()
{
	user=/sys/kernel/debug/private_node_test
	echo "private before machine MemTotal $(word /proc/meminfo MemTotal:)"
	echo 24 >/sys/module/private_emul/parameters/phys_mib
	echo test >/sys/module/private_emul/parameters/use
	private-node online >/dev/null
	nid=$(cat /sys/devices/system/node/has_private_memory)
	node=/sys/devices/system/node/node$nid emul=/sys/kernel/debug/private_emul/$nid
	# no warnings of the device, which have pages moved away: the budget alone
	echo 0 >"$emul/low_permille"
	echo 0 >"$emul/high_permille"
	wait_for_rest

	store zero 0 2000 0
	store quarter 10000 2000 25
	store half 20000 2000 50
	store most 30000 2000 75
	store random 40000 2000 100
	store overfull 50000 8000 75
	echo "private all node nid $nid"
	for file in total_pages stored_pages refused media_total media_used; do
		echo "private all node $file $(of_node $file)"
	done
	echo "private all node present $(($(awk '$3 == "MemTotal:" { print $4 }' "$node/meminfo") / 4))"
	echo "private all device drops $(of_device drops)"
	echo "private all device max_media_used $(of_device max_media_used)"
	echo "private all user bytes $(word $user/stats bytes)"
	echo "private all user stored $(word $user/stats private)"
	echo "$nid" >$user/allocate
	echo "private all others asked $(grep -c . $user/allocate)"
	echo "private all others got $(grep -c " $nid\$" $user/allocate || true)"
	check online

	private-node unplugged >/dev/null
	echo "private after user stored $(word $user/stats private)"
	echo "private after user present $(word $user/stats present)"
	check after
}

# swap_with WAY: the workload, of which zswap holds all pages for a while
swap_with()
{
	mkdir /sys/fs/cgroup/web
	(
		echo 0 >/sys/fs/cgroup/web/cgroup.procs
		exec workload web 0 16 100 measure
	) </tmp/go >/tmp/said 3>&- &
	while read -r -t 300 _ name value <&4; do
		case $name in
		ready)
			for stat in zswap zswapped; do
				awk -v at="direct $1" -v stat="$stat" '$1 == stat {
					for (i = 2; i <= NF; i++) {
						split($i, pair, "=")
						print at, substr(pair[1], 2), stat, pair[2]
					}
				}' /sys/fs/cgroup/web/memory.numa_stat
			done
			media=$(of_device media_used) pages=$(cat $zswap/direct_pages)
			echo "direct $1 zswap ram $(cat $zswap/pool_total_size)"
			echo "direct $1 zswap pages $(cat $zswap/stored_pages)"
			echo "direct $1 zswap direct $pages"
			echo "direct $1 device media_used $media"
			exec 3>&- ;;
		*)
			echo "direct $1 workload $name $value"
			[ "$name" != wrong ] || break ;;
		esac
	done
	wait
	rmdir /sys/fs/cgroup/web
	echo "direct $1 zswap left $(cat $zswap/stored_pages)"
	exec 3<>/tmp/go
}

direct()
{
	zswap=/sys/kernel/debug/zswap
	echo '+memory' >/sys/fs/cgroup/cgroup.subtree_control
	mkfifo /tmp/go /tmp/said
	exec 3<>/tmp/go 4<>/tmp/said
	private-node online >/dev/null
	nid=$(cat /sys/devices/system/node/has_private_memory)
	node=/sys/devices/system/node/node$nid emul=/sys/kernel/debug/private_emul/$nid
	wait_for_rest
	echo "direct all node nid $nid"

	echo N >/sys/module/zswap/parameters/direct
	swap_with software
	echo Y >/sys/module/zswap/parameters/direct
	swap_with direct
	# What the CPU does in place of a device is not its work: that takes pages
	# for as large as they were, without looking.
	echo $((media / pages)) >"$emul/fixed_bytes"
	swap_with cost
}

# expect LINE: what a workload says next
expect()
{
	if ! read -r -t 120 line <&4 || [ "$line" != "$1" ]; then
		echo "demo: expected '$1', got '${line:-nothing}'" >&2
		exit 1
	fi
}

# launch GROUP NODE MIB TEXT: a workload on a node, in a cgroup of its own
launch()
{
	mkdir "$1"
	(
		echo 0 >"$1/cgroup.procs"
		exec workload "$@"
	) </tmp/go >/tmp/said 3>&- 4>&- 5>&- &
	expect "$1 ready"
}

# start GROUP NODE MIB TEXT: the same, swapped out by memory.reclaim
start()
{
	launch "$@"
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

# phase NAME: of the timeline, with a pause by which the phases are told apart
phase()
{
	echo "$1" >&5
	sleep 0.6
}

# at_rest_phase NAME: the same, for what is compared to the byte: values of cgroups
# may lag by two seconds
at_rest_phase()
{
	sleep 2.5
	phase "$1"
}

# reclaim GROUP MIB: little by little, until hardly more than that is as it was
reclaim()
{
	for _ in $(seq 60); do
		[ "$(word "$1/memory.stat" anon)" -gt $(($2 * 1048576 + 65536)) ] || return 0
		echo '512K swappiness=max' 2>/dev/null >"$1/memory.reclaim" || true
		sleep 0.05
	done
}

# begin_timeline MILLISECONDS GROUP...
begin_timeline()
{
	echo "fact release $(uname -r)"
	echo "fact cpus $(nproc)"
	echo "fact memory $(($(word /proc/meminfo MemTotal:) * 1024))"
	echo "fact compressor $(cat /sys/module/zswap/parameters/compressor)"
	mkfifo /tmp/phases
	exec 5<>/tmp/phases
	timeline "$@" </tmp/phases 3>&- 4>&- 5>&- &
	reader=$!
}

# end_timeline WORKLOADS: all memory is read, and checked
end_timeline()
{
	at_rest_phase 'all is read back'
	exec 3>&-
	for _ in $(seq "$1"); do
		read -r -t 300 name word wrong <&4
		echo "check $name $word $wrong"
	done
	phase 'processes end'
	sleep 0.5
	exec 5>&-
	wait "$reader"
}

timeline_private()
{
	begin_timeline 100 web
	private-node online >/dev/null
	nid=$(cat /sys/devices/system/node/has_private_memory)
	node=/sys/devices/system/node/node$nid emul=/sys/kernel/debug/private_emul/$nid
	wait_for_rest
	echo "fact private $nid"
	echo N >/sys/module/zswap/parameters/direct
	phase 'memory is filled'
	launch web 0 32 80
	phase 'to zswap in RAM'
	reclaim web 16
	at_rest_phase 'to zswap on the private node'
	echo Y >/sys/module/zswap/parameters/direct
	reclaim web 0
	at_rest_phase 'private node taken away'
	private-node unplugged >/dev/null
	end_timeline 1
}

timeline_nodes()
{
	groups='web batch archive cold'
	# shellcheck disable=SC2086 # its words
	begin_timeline 200 $groups
	phase 'memory is filled'
	launch web 0 16 80
	launch batch 1 12 60
	launch archive 2 12 95
	launch cold 3 2 90
	phase 'to zswap'
	for group in $groups; do
		reclaim "$group" 0
	done
	for dev in /sys/bus/dax/devices/*; do
		[ "$(cat "$dev/target_node")" != 2 ] || break
	done
	at_rest_phase 'node 2 taken offline'
	echo unplugged >"$dev/state"
	# what is bound to it would have to go to node 3, which is slow
	at_rest_phase 'node 2 is back'
	echo online_movable >"$dev/state"
	end_timeline 4
}

# ---- what is asked for --------------------------------------------------------

case ${1-} in
private)
	private_node
	exit ;;
direct)
	direct
	exit ;;
esac

cd /sys/fs/cgroup
echo '+memory' >cgroup.subtree_control

mkfifo /tmp/go /tmp/said
# Open here, or the workloads would have to wait for each other.
exec 3<>/tmp/go 4<>/tmp/said

case ${1-} in
timeline)
	"timeline_$2"
	exit ;;
esac

groups='web batch archive cold'
# Without a cgroup of its own, its memory is the root's.
workload root 0 2 75 pageout </tmp/go >/tmp/said 3>&- 4>&- &
expect 'root ready'
start web 0 16 80
start batch 1 12 60
start archive 2 20 95
start cold 3 2 90
counters out
# as on a terminal, so that columns that don't fit are left out
/mnt/zswapstat --width=80 --sort=compressed >/tmp/shown
sed 's/^/|/' /tmp/shown

exec 3>&-	# end of file for all of them: they read everything back
for _ in root $groups; do
	read -r -t 300 name word wrong <&4
	echo "in $name check $word $wrong"
done
wait
counters in
