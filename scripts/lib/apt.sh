# shellcheck shell=bash
# apt with sources, lists and cache of our own, so that the machine's apt is
# neither used up nor changed. Mirrors come from the machine's own sources.

# machine_sources REGEX [SUITE]: deb822 stanzas of the machine's package sources
# whose suite matches REGEX; with SUITE only the first one, turned to that suite
machine_sources()
{
	local file

	for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
		[ -r "$file" ] && sed 's/#.*//' "$file"
	done | awk '
	$1 == "deb" {
		signed = ""
		for (i = 2; i < NF && ($2 ~ /^\[/); i++) {
			if (match($i, /signed-by=[^] ]*/))
				signed = substr($i, RSTART + 10, RLENGTH - 10)
			if ($i ~ /\]$/) { i++; break }
		}
		printf "Types: deb\nURIs: %s\nSuites: %s\nComponents:", $i, $(i + 1)
		for (i += 2; i <= NF; i++)
			printf " %s", $i
		print (signed ? "\nSigned-By: " signed : "") "\n"
	}' >"$apt_state/machine"
	for file in /etc/apt/sources.list.d/*.sources; do
		[ -r "$file" ] && grep -v '^#' "$file" && echo
	done >>"$apt_state/machine"

	awk -v regex="$1" -v want="${2-}" '
	function flush(	n, suite, i, uri) {
		if (field["types"] ~ /(^| )deb( |$)/ && field["enabled"] !~ /^ *(no|false|0)/ &&
		    field["components"] ~ /(^| )main( |$)/) {
			n = split(field["suites"], suite, " ")
			for (i = 1; i <= n && !(want && done); i++) {
				if (suite[i] !~ regex)
					continue
				print "Types: deb\nURIs:" field["uris"]
				print "Suites: " (want ? want : suite[i])
				print "Components:" (want ? " main" : field["components"])
				if ("signed-by" in field)
					print "Signed-By:" field["signed-by"]
				print ""
				done = 1
			}
		}
		split("", field)
	}
	/^[ \t]*$/	{ flush(); next }
	/^[ \t]/	{ field[name] = field[name] "\n" $0; next }
			{ name = tolower(substr($0, 1, index($0, ":") - 1))
			  field[name] = " " substr($0, index($0, ":") + 1) }
	END		{ flush() }' "$apt_state/machine"
}

# os_release KEY: from /etc/os-release
os_release()
{
	sed -n "s/^$1=//p" /etc/os-release 2>/dev/null | tr -d \"
}

# apt_own TOOL ARG...: apt-get or apt-cache on the state apt_open prepared
apt_own()
{
	local tool=$1

	shift
	DEBIAN_FRONTEND=noninteractive "$tool" -q -o APT::Get::Assume-Yes=true \
		-o Dir::Etc::sourcelist=/dev/null \
		-o Dir::Etc::sourceparts="$apt_state/parts" \
		-o Dir::State::lists="$apt_state/lists" \
		-o Dir::Cache="$apt_state/cache" \
		-o APT::Sandbox::User=root \
		-o APT::Update::Error-Mode=any \
		-o Acquire::Languages=none \
		-o Acquire::Retries=1 \
		-o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20 \
		-o DPkg::Lock::Timeout=60 \
		"$@"
}

# apt_open NAME: an empty set of sources in the cache; apt_state is its folder
apt_open()
{
	command -v apt-get >/dev/null || return
	apt_state=$ZTIER_CACHE/apt-$1
	mkdir -p "$apt_state"/{parts,lists/partial,cache/archives/partial} ||
		die "$apt_state" "can't be made" "Set ZTIER_CACHE to a folder you may write to"
	find "$apt_state/parts" -type f -delete
}

# apt_suite SUITE: adds SUITE of the machine's own mirror; fails where there is none
apt_suite()
{
	local file=$apt_state/parts/$1.sources codename

	codename=$(os_release VERSION_CODENAME)
	machine_sources "^${codename:-none}\$" "$1" >"$file"
	[ -s "$file" ] || machine_sources '^(stable|oldstable|testing|unstable|sid)$' "$1" >"$file"
	[ -s "$file" ]
}
