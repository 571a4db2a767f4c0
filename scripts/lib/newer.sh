# shellcheck shell=bash
# Which kernels Debian has. Sourced after common.sh.
# shellcheck source=base.sh
. "$ZTIER_TOP/scripts/lib/base.sh"

# newer_kernel: prints PACKAGE=VERSION SUITE of the newest kernel source that is newer
# than what the series is on; if there is none, a sentence that says so
newer_kernel()
{
	local suites suite package version base newest='' best='' names

	suites=("$(base_field suite)" sid experimental)
	base=$(base_field version)
	apt_open newer || die newer "this machine has no apt-get to ask with" "Do without it"
	on_exit rm -rf "$apt_state"
	for suite in "${suites[@]}"; do
		find "$apt_state/parts" -type f -delete
		apt_suite "$suite" || die newer "no Debian mirror in the machine's apt sources" "Do without it"
		run_step newer "Reading the package list of $suite" apt_own apt-get update ||
			die newer "the package list of $suite can't be had" "Check the network, then repeat"
		mapfile -t names < <(apt_own apt-cache search --names-only '^linux-source-[0-9.]+$' | cut -d' ' -f1)
		while read -r package version; do
			if [ -z "$newest" ] || dpkg --compare-versions "$version" gt "$newest"; then
				newest=$version best="$package=$version $suite"
			fi
		done < <(apt_own apt-cache madison "${names[@]}" | awk '{ print $1, $3 }')
	done
	# without what Debian has made of it
	if dpkg --compare-versions "${newest%-*}" gt "${base%-*}"; then
		echo "$best"
	else
		echo "no kernel newer than ${base%-*} in ${suites[*]}; the newest is ${newest:-missing}"
	fi
}
