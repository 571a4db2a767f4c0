# shellcheck shell=bash

# not_taken CONFIG FRAGMENT...: names the options of the fragments that CONFIG does
# not have as asked, and fails if there are any. Kconfig drops what it can't set
# without a word.
not_taken()
{
	cat "${@:2}" | awk -v config="$1" '
		{ name = $0; sub(/^# /, "", name); sub(/[ =].*/, "", name) }
		name !~ /^CONFIG_/ { next }
		{ want[name] = /=n$|is not set$/ ? "n" : substr($0, index($0, "=") + 1) }
		END {
			while ((getline line < config) > 0)
				if (line ~ /^CONFIG_/) {
					at = index(line, "=")
					have[substr(line, 1, at - 1)] = substr(line, at + 1)
				}
			for (name in want)
				if (want[name] != (name in have ? have[name] : "n"))
					print name "=" want[name] " did not take"
		}' | sort | grep . && return 1
	return 0
}
