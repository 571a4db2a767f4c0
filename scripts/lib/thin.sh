# shellcheck shell=bash
# The series on a thin base: only the files it touches, and what the kernel's own
# checkers want of a tree. Takes a second instead of a minute, and gives the same
# patches. Needs base.sh and series.sh; it is in $work, which whoever sources this
# has set, and which is made anew.

# shellcheck disable=SC2154 # of whoever sources this
thin_git=$work/thin.git		# apart, as checkpatch looks up commits where it finds .git
thin=$work/thin			# work tree: the files with the series applied
base=$work/base			# the same files before it

tgit()
{
	zgit --git-dir="$thin_git" --work-tree="$thin" "$@"
}

kernel_parts=(COPYING CREDITS Kbuild MAINTAINERS Makefile README .gitattributes LICENSES
	.mailmap .get_maintainer.ignore
	scripts tools/docs tools/lib/python Documentation/process include/linux)
kernel_dirs=(Documentation arch include drivers fs init ipc kernel lib)

base_files()
{
	local files source

	mapfile -t files < <(touched_files)
	files+=("${kernel_parts[@]}")
	if grep -qs '^base pinned' "$ZTIER_LINUX/.git/ztier"; then
		mapfile -t files < <(zgit -C "$ZTIER_LINUX" ls-tree -r --name-only base -- "${files[@]}")
		zgit -C "$ZTIER_LINUX" archive base -- "${files[@]}" | tar -x -C "$base"
		return
	fi
	# a file that an earlier patch of the series makes is not in there: tar's
	# complaint about it is no failure
	source=$(base_field package)
	printf "$source/%s\n" "${files[@]}" |
		tar -x -C "$base" --strip-components=1 --no-same-owner -f <(source_stream "$1") -T - ||
		[ -f "$base/scripts/checkpatch.pl" ]
}

make_thin()
{
	local dir

	rm -rf "$work"
	mkdir -p "$base" "$thin"
	if ! grep -qs '^base pinned' "$ZTIER_LINUX/.git/ztier"; then
		fetch_package "$(base_field package)" "$(base_field suite)" \
			"$(base_field version)" "$(base_field sha256)"
	fi
	run_step check-base "Taking the touched files from the base" base_files "${package_file-}" ||
		die "the base" "its files can't be had" "See the log"
	for dir in "${kernel_dirs[@]}"; do
		mkdir -p "$base/$dir"
	done
	cp -a "$base/." "$thin/"
	zgit init -q --bare "$thin_git"
	tgit config core.bare false
	tgit config core.compression 0		# it lives a minute
	{ tgit add -Af . && tgit commit -q -m base && tgit tag base; } ||
		die "$work" "git can't record the base there" "Is there room?"
}

apply_thin()
{
	local patches patch

	mapfile -t patches < <(patch_files)
	((${#patches[@]})) || return 0
	cd "$thin" || return
	tgit am -q --committer-date-is-author-date "${patches[@]}" && return
	# which patch it was, if git came as far as that
	[ -f "$thin_git/rebase-apply/next" ] || return 1
	patch=${patches[$(<"$thin_git/rebase-apply/next") - 1]}
	echo "${patch##*/}"
	tgit apply --check "$patch"
	return 1
}
