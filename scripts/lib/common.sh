# shellcheck shell=bash
# Shared by every bash command. A command starts with
#
#	#!/bin/bash
#	# NAME: one line for "ztier --help"
#	# ...the rest of this comment block is what "ztier NAME --help" prints
#	. "${BASH_SOURCE%/*}/../lib/common.sh"
#
# and runs under set -u. Results go to stdout, everything for the eye to stderr.

set -u
umask 022
export LC_ALL=C		# output of git, gcc and apt is read by scripts

ZTIER_TOP=$(cd "${BASH_SOURCE[0]%/*}/../.." && pwd -P) || exit 1
ZTIER_BUILD=$ZTIER_TOP/build
ZTIER_LINUX=$ZTIER_BUILD/linux
: "${ZTIER_CACHE:=${XDG_CACHE_HOME:-${HOME:-$ZTIER_BUILD}/.cache}/ztier}"
: "${ZTIER_JOBS:=$(nproc)}"
: "${ZTIER_VERBOSE:=0}"
export ZTIER_TOP ZTIER_BUILD ZTIER_LINUX ZTIER_CACHE ZTIER_JOBS ZTIER_VERBOSE

# A caller's repository (a git hook, rebase --exec) is not ours.
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_OBJECT_DIRECTORY \
	GIT_ALTERNATE_OBJECT_DIRECTORIES GIT_COMMON_DIR GIT_PREFIX

# ---- messages ---------------------------------------------------------------

say()
{
	printf 'ztier: %s\n' "$*" >&2
}

# die WHAT WHY NEXT
die()
{
	say "$1: $2. $3"
	exit 1
}

usage_error()
{
	say "${0##*/}: $1. See: scripts/ztier ${0##*/} --help"
	exit 2
}

# help_of FILE: the comment block at the head of a command is its help text
help_of()
{
	sed -n '2,${/^#/!q;/^# shellcheck /q;s/^# \{0,1\}//;p}' "$1"
}

usage()
{
	help_of "$0"
}

[[ $ZTIER_JOBS =~ ^[1-9][0-9]*$ ]] ||
	die "ZTIER_JOBS" "'$ZTIER_JOBS' is not a positive number" "Unset it or give a number"

# ---- cleanup ----------------------------------------------------------------

exit_words=()		# each command's words followed by their number
exit_owner=$$		# whose end they are for

set_traps()
{
	trap run_exit EXIT
	trap 'interrupted 129' HUP
	trap 'interrupted 130' INT
	trap 'interrupted 143' TERM
}

# A subshell, $(deb_tree ...) for one, has a copy of our words and none of our traps. What
# it makes is for itself to take away.
own_exit()
{
	[ "$BASHPID" != "$exit_owner" ] || return 0
	exit_owner=$BASHPID exit_words=()
	set_traps
}

# on_exit CMD...: runs CMD when the script ends, whatever ends it; last in, first out
on_exit()
{
	own_exit
	exit_words+=("$@" $#)
}

run_exit()
{
	local rc=$? end n cmd

	# a child that is stopped before it has dropped our traps comes here too
	[ "$BASHPID" = "$exit_owner" ] || exit "$rc"
	trap '' INT TERM HUP
	while ((${#exit_words[@]})); do
		end=$((${#exit_words[@]} - 1))
		n=${exit_words[end]}
		cmd=("${exit_words[@]:end-n:n}")
		exit_words=("${exit_words[@]:0:end-n}")
		"${cmd[@]}"
	done
	exit "$rc"
}

interrupted()
{
	[ "$BASHPID" = $$ ] && say "${0##*/}: interrupted"
	exit "$1"
}

set_traps

# ---- processes --------------------------------------------------------------

# start_group CMD...: CMD in a process group of its own, its id in $group
start_group()
{
	set -m
	"$@" </dev/null &
	group=$!
	set +m
}

stop_group()
{
	local i

	kill -TERM -- "-$1" 2>/dev/null
	for ((i = 0; i < 50; i++)); do
		kill -0 -- "-$1" 2>/dev/null || break
		sleep 0.1
	done
	kill -KILL -- "-$1" 2>/dev/null
	wait "$1" 2>/dev/null
}

# run_group CMD...: runs CMD (a program or a function, no stdin); nothing of it
# survives a signal to this script
run_group()
{
	local group rc kept

	own_exit
	kept=${#exit_words[@]}
	start_group "$@"
	on_exit stop_group "$group"
	wait "$group"
	rc=$?
	exit_words=("${exit_words[@]:0:kept}")
	return "$rc"
}

# with_log FILE CMD...: a redirection outside of CMD's own process would be in
# force in the cleanup as well
with_log()
{
	exec >"$1" 2>&1
	"${@:2}"
}

progress()
{
	local label=$1 start=$SECONDS pause=5

	while sleep "$pause"; do
		if [ -t 2 ]; then
			printf '\r\033[Kztier: %s, %d s' "$label" $((SECONDS - start)) >&2
			pause=1
		else
			say "$label, $((SECONDS - start)) s"
			pause=30
		fi
	done
}

# run_step NAME LABEL CMD...: like run_group, with the output in
# build/log/NAME.log (with -v shown too), progress from the fifth second on, and
# on failure the last lines of the log
run_step()
{
	local label=$2 log=$ZTIER_BUILD/log/$1.log
	local out ticker tee rc start=$SECONDS kept

	shift 2
	own_exit
	kept=${#exit_words[@]}
	{ mkdir -p "$ZTIER_BUILD/log" && : >"$log"; } ||
		die "$label" "can't write $log" "Make room or correct the permissions"
	if ((ZTIER_VERBOSE)); then
		say "$label: $*"
		exec {out}> >(tee "$log" >&2)
		tee=$!
		run_group with_log "/dev/fd/$out" "$@"
		rc=$?
		exec {out}>&-
		wait "$tee"
	else
		start_group progress "$label"
		ticker=$group
		on_exit stop_group "$ticker"
		run_group with_log "$log" "$@"
		rc=$?
		exit_words=("${exit_words[@]:0:kept}")
		stop_group "$ticker"
		if ((SECONDS - start >= 5)); then
			[ -t 2 ] && printf '\r\033[K' >&2
			say "$label, done in $((SECONDS - start)) s"
		fi
	fi
	if ((rc)); then
		say "$label: failed with status $rc. Full log: $log"
		((ZTIER_VERBOSE)) || tail -n 15 "$log" | sed 's/^/  | /' >&2
	fi
	return "$rc"
}

# ---- what a command needs ---------------------------------------------------

declare -A tool_min=([qemu-system-x86_64]=9.0 [git]=2.30 [make]=4.0 [gcc]=8.1 [python3]=3.9)

tool_version()
{
	"$1" --version 2>/dev/null | sed -nE '1s/^[^0-9]*(.* )?([0-9]+(\.[0-9]+)+).*/\2/p'
}

# have_tool TOOL: a program (recent enough, see tool_min), HEADER.h or python3:MODULE
have_tool()
{
	case $1 in
	*.h)
		echo "#include <$1>" | gcc -E -x c - >/dev/null 2>&1
		return ;;
	python3:*)
		python3 -c "import ${1#*:}" 2>/dev/null
		return ;;
	esac
	command -v "$1" >/dev/null || return
	if [ "$1" = busybox ]; then	# goes into an initramfs without libraries
		! ldd "$(command -v busybox)" 2>/dev/null | grep -q '=>'
	elif [ -n "${tool_min[$1]-}" ]; then
		printf '%s\n' "${tool_min[$1]}" "$(tool_version "$1")" | sort -VC
	fi
}

# need_tools TOOL...: as have_tool; "ztier setup" gets what is missing
need_tools()
{
	local tool missing=()

	for tool; do
		have_tool "$tool" || missing+=("$tool")
	done
	((${#missing[@]})) || return 0
	run_group "$ZTIER_TOP/scripts/ztier" setup || exit 1
	for tool in "${missing[@]}"; do
		have_tool "$tool" ||
			die "$tool" "still missing or too old after setup" "Check PATH; what is expected: scripts/ztier setup --check"
	done
}

need_tree()
{
	[ -e "$ZTIER_LINUX/.git" ] || run_group "$ZTIER_TOP/scripts/ztier" tree || exit 1
}

# git that no configuration of the user's can change; commits are by the
# developers of the series unless $zgit_user and $zgit_mail say otherwise
zgit()
{
	local user=${zgit_user-ztier developers}
	local mail=${zgit_mail-${user%% *}@localhost}

	GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null \
	GIT_AUTHOR_NAME=$user GIT_AUTHOR_EMAIL=$mail \
	GIT_COMMITTER_NAME=$user GIT_COMMITTER_EMAIL=$mail \
		git -c core.hooksPath=/dev/null -c commit.gpgSign=false \
		-c gc.auto=0 -c core.fsync=none -c advice.detachedHead=false "$@"
}
