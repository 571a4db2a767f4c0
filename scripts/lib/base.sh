# shellcheck shell=bash
# The pinned kernel source: patches/base says which, the cache holds it.
# shellcheck source=apt.sh
. "$ZTIER_TOP/scripts/lib/apt.sh"

base_field()
{
	sed -n "s/^$1:[[:space:]]*//p" "$ZTIER_TOP/patches/base"
}

is_sha256()
{
	[ "$(sha256sum <"$1")" = "$2  -" ]
}

download_into()
{
	cd "$1" && apt_own apt-get download "$2"
}

# download PACKAGE VERSION: the file into the cache, its path in $package_file.
# Fails when the mirror lists a file that it doesn't have; other failures end it all.
download()
{
	local dir=$ZTIER_CACHE/download.$$

	mkdir -p "$dir" && on_exit rm -rf "$dir"
	run_step download "Downloading $1 $2" download_into "$dir" "$1=$2" || {
		grep -q ' 404 ' "$ZTIER_BUILD/log/download.log" && return 1
		die "$1 $2" "can't be downloaded" "See above (network? room in $ZTIER_CACHE?), or give the file: scripts/ztier tree TARBALL=FILE"
	}
	package_file=$ZTIER_CACHE/$1_${2//:/%3a}_all.deb
	mv "$dir"/*.deb "$package_file"
	rm -rf "$dir"
}

# fetch_package PACKAGE SUITE [VERSION [SHA256]]: path in $package_file. Without
# VERSION the newest one; a VERSION that is gone is replaced by the newest of the
# same series that can be had, with a notice.
fetch_package()
{
	local package=$1 suite=$2 version=${3-} sha=${4-} listed v
	local otherwise="Check the network, or give the file: scripts/ztier tree TARBALL=FILE"

	package_file=$ZTIER_CACHE/${package}_${version//:/%3a}_all.deb
	if [ -n "$version" ] && [ -e "$package_file" ]; then
		[ -z "$sha" ] || is_sha256 "$package_file" "$sha" && return
		say "$package_file: wrong SHA-256, downloading it again"
		rm -f "$package_file"
	fi

	apt_open base ||
		die "$package" "this machine has no apt-get to download it with" \
		"Get ${package_file##*/} of Debian's $suite by other means, then: scripts/ztier tree TARBALL=FILE"
	apt_suite "$suite" ||
		die "$package" "no Debian mirror in the machine's apt sources" \
		"Get ${package_file##*/} of Debian's $suite by other means, then: scripts/ztier tree TARBALL=FILE"
	run_step apt "Reading the package list of $suite" apt_own apt-get update ||
		die "$package" "the package list of $suite can't be had" "$otherwise"
	listed=$(apt_own apt-cache madison "$package" | awk '{ print $3 }')
	[ -n "$listed" ] || die "$package" "not in $suite of this mirror (any more)" "$otherwise"

	if [ -n "$version" ]; then
		if grep -qxF "$version" <<<"$listed" && download "$package" "$version"; then
			if [ -n "$sha" ] && ! is_sha256 "$package_file" "$sha"; then
				rm -f "$package_file"
				die "$package $version" "wrong SHA-256 (patches/base has $sha)" \
				"Repeat; if it stays, the mirror is wrong: use another one or TARBALL=FILE"
			fi
			return
		fi
		say "$package $version: gone from the mirror, looking for a newer one"
	fi
	for v in $listed; do
		[ "$v" != "$version" ] || continue
		package_file=$ZTIER_CACHE/${package}_${v//:/%3a}_all.deb
		if [ -e "$package_file" ] || download "$package" "$v"; then
			[ -z "$version" ] || say "using $package $v instead of $version: the series may not apply"
			return
		fi
		say "$package $v: listed by the mirror, but its file is gone; trying the next"
	done
	die "$package" "no version of it can be downloaded" "$otherwise"
}

# source_stream FILE: the plain tar of a kernel source package or tarball
source_stream()
{
	local inner

	case $1 in
	*.deb)
		inner=$(dpkg-deb --fsys-tarfile "$1" | tar -t | grep -m1 '^./usr/src/linux-source-.*\.tar\.xz$')
		dpkg-deb --fsys-tarfile "$1" | tar -xO "${inner:-no-linux-source}" | xz -T0 -dc ;;
	*.xz)	xz -T0 -dc "$1" ;;
	*.gz)	gzip -dc "$1" ;;
	*)	cat "$1" ;;
	esac
}

is_kernel()
{
	[ -f "$1/Kbuild" ] && [ -f "$1/mm/zsmalloc.c" ] && grep -q '^PATCHLEVEL' "$1/Makefile"
}

# need_repository: $LINUX as the user gave it is a kernel repository that is clean;
# sets $commit to its HEAD
# shellcheck disable=SC2034
need_repository()
{
	[ -d "$LINUX" ] || die "LINUX=$LINUX" "no such folder" "Give the top folder of a kernel repository"
	LINUX=$(realpath "$LINUX")
	is_kernel "$LINUX" ||
		die "LINUX=$LINUX" "not a kernel source tree" "Give the top folder of a kernel repository"
	[ -e "$LINUX/.git" ] ||
		die "LINUX=$LINUX" "not a git repository" "Run git init, add and commit in it, or make a tree of a tarball: scripts/ztier tree TARBALL=FILE"
	commit=$(git -C "$LINUX" rev-parse --verify HEAD) ||
		die "LINUX=$LINUX" "git can't read its HEAD (see above)" "Correct that and repeat"
	[ -z "$(GIT_OPTIONAL_LOCKS=0 git -C "$LINUX" status --porcelain --untracked-files=no | head -n 1)" ] ||
		die "LINUX=$LINUX" "has changes that are not committed" "Commit or stash them and repeat"
}
