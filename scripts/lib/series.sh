# shellcheck shell=bash
# The series as patches and as commits, and the way from one to the other.

overlay_dirs=(mm include drivers tools Documentation)

patch_files()
{
	find "$ZTIER_TOP/patches" -maxdepth 1 -name '[0-9]*.patch' | sort
}

# SHA256 NAME of each patch
patch_list()
{
	patch_files | while read -r file; do
		printf '%s %s\n' "$(sha256sum <"$file" | cut -c1-64)" "${file##*/}"
	done
}

# Files of the base that the series touches
touched_files()
{
	patch_files | xargs -r sed -n 's,^--- a/,,p; s/^rename from //p' | sort -u
}

# failed_hunks REPO PATCH [OPTION]: where PATCH doesn't apply, a line per place
failed_hunks()
{
	local error file line

	zgit -C "$1" apply --check "${@:3}" "$2" 2>&1 | sed -n 's/^error: //p' | while read -r error; do
		case $error in
		"patch failed: "*)
			file=${error#patch failed: }
			line=${file##*:}
			file=${file%:*}
			awk -v file="$file" -v line="$line" '
			/^diff --git /	{ inside = ($3 == "a/" file) }
			inside && /^@@ / {
				total++
				if (!n && $2 ~ "^-" line "(,|$)") {
					n = total
					sub(/^@@ [^@]*@@ ?/, "")
					context = $0
				}
			}
			END {
				printf "%s:%d: hunk %d of %d%s\n", file, line, n, total,
					context ? ": " context : ""
			}' "$2" ;;
		*": patch does not apply") ;;
		*)	echo "$error" ;;
		esac
	done
}

# apply_patch REPO PATCH [OPTION]...: as one commit whose id depends on nothing
# but the patch and what it is applied to
apply_patch()
{
	zgit -C "$1" am -q --committer-date-is-author-date "${@:3}" "$2"
}

# format_series REPO FROM TO DIR [OPTION]...: the commits as mails, which nothing but the
# options and the commits has a say in
format_series()
{
	zgit -C "$1" -c core.abbrev=12 -c diff.algorithm=histogram -c diff.context=3 \
		-c diff.interHunkContext=0 -c diff.indentHeuristic=true -c diff.renames=true \
		-c diff.noprefix=false -c diff.mnemonicPrefix=false -c diff.orderFile=/dev/null \
		-c diff.external= -c format.signature= -c format.subjectPrefix=PATCH \
		format-patch -q --zero-commit --no-signature --no-notes --no-attach --no-to --no-cc \
		--no-base --stat=72 -o "$4" "${@:5}" "$2..$3"
}

# stage_export REPO FROM TO DIR: everything the series branch says about this
# repository, below DIR: patches, files added whole, MAINTAINERS.fragment
stage_export()
{
	local repo=$1 from=$2 to=$3 dir=$4 added stray

	mkdir -p "$dir/patches"
	format_series "$repo" "$from" "$to" "$dir/patches" --no-numbered --no-thread \
		--no-cover-letter || return

	added=$(zgit -C "$repo" diff --no-renames --diff-filter=A --name-only "$from" "$to") || return
	stray=$(grep -vE "^($(IFS='|'; echo "${overlay_dirs[*]}"))/" <<<"$added")
	if [ -n "$added" ] && [ -n "$stray" ]; then
		say "the series adds ${stray//$'\n'/, }, outside of ${overlay_dirs[*]}"
		return 1
	fi
	if [ -n "$added" ]; then
		# not git archive: that obeys export-ignore and export-subst
		rm -f "$dir/index"
		GIT_INDEX_FILE=$dir/index zgit -C "$repo" read-tree "$to" &&
		GIT_INDEX_FILE=$dir/index zgit -C "$repo" checkout-index --prefix="$dir/" --stdin <<<"$added" ||
			return
		rm -f "$dir/index"
	fi

	if ! zgit -C "$repo" diff --quiet "$from" "$to" -- MAINTAINERS; then
		maintainers_fragment <(zgit -C "$repo" show "$from:MAINTAINERS") \
			<(zgit -C "$repo" show "$to:MAINTAINERS") >"$dir/MAINTAINERS.fragment"
	fi
}

# The entries of MAINTAINERS that are new or changed, whole
maintainers_fragment()
{
	awk 'BEGIN { RS = "" }
	NR == FNR { old[$0]; next }
	!($0 in old) { printf "%s%s\n", sep, $0; sep = "\n" }' "$1" "$2"
}

# The files of this repository that stage_export is the master of, below DIR
exported_files()
{
	(cd "$1" && for dir in "${overlay_dirs[@]}"; do
		[ ! -d "$dir" ] || find "$dir" ! -type d
	done; find patches -name '[0-9]*.patch'; find MAINTAINERS.fragment 2>/dev/null) | sort
}

# compare_export DIR: "changed|new|stale FILE" for what differs from the repository
compare_export()
{
	local file

	exported_files "$1" | while read -r file; do
		if [ ! -e "$ZTIER_TOP/$file" ]; then
			echo "new $file"
		elif ! cmp -s "$1/$file" "$ZTIER_TOP/$file" ||
		     [ "$(stat -c %A "$1/$file")" != "$(stat -c %A "$ZTIER_TOP/$file")" ]; then
			echo "changed $file"
		fi
	done
	comm -13 <(exported_files "$1") <(exported_files "$ZTIER_TOP") |
		grep -vx MAINTAINERS.fragment | sed 's/^/stale /'
}
