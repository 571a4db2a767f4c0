# What run_kselftest.sh prints, as one line a result: "pass|fail|skip NAME [why]", for
# those who count. NAME is the path of a test case: cgroup:test_zswap/test_zswap_usage.
#
# run_kselftest.sh puts "# " before each line of a program, which may have done so with
# the lines of another program. So a result belongs to the next one that has a "# " less.
# What has results below it is no result itself, unless it has failed and none below has
# said so: it was ended by a signal or its time limit, or stopped before its last case.

function result(depth, status, name, why,	i, below, failed, sub_status, rest)
{
	below = count[depth + 1] + 0
	failed = 0
	for (i = 1; i <= below; i++) {
		sub_status = entry[depth + 1, i]
		sub(/ .*/, "", sub_status)
		rest = substr(entry[depth + 1, i], length(sub_status) + 2)
		failed += sub_status == "fail"
		add(depth, sub_status " " name "/" rest)
	}
	if (below && planned[depth + 1] > direct[depth + 1]) {
		failed++
		add(depth, "fail " name " " direct[depth + 1] " of " planned[depth + 1] " results came")
	}
	if (!below || (status == "fail" && !failed))
		add(depth, status " " name (why == "" ? "" : " " why))
	clear(depth + 1)
	direct[depth]++
}

function add(depth, line)
{
	entry[depth, ++count[depth]] = line
}

function clear(depth)
{
	count[depth] = direct[depth] = planned[depth] = 0
}

{
	sub(/\r$/, "")
	line = $0
	depth = 0
	while (sub(/^# /, "", line))
		depth++
}

line ~ /^1\.\.[0-9]+/ {
	planned[depth] = substr(line, 4) + 0
	# a program that skips all of itself has no result, but a reason
	if (planned[depth] == 0 && match(line, /# SKIP */))
		reason[depth] = substr(line, RSTART + RLENGTH)
	next
}

line ~ /^(not )?ok [0-9]+/ {
	status = line ~ /^not / ? "fail" : "pass"
	sub(/^(not )?ok [0-9]+ *(- )?/, "", line)
	why = ""
	if (match(line, / *# /)) {
		why = substr(line, RSTART + RLENGTH)
		line = substr(line, 1, RSTART - 1)
	}
	sub(/ +$/, "", line)
	if (line ~ /^selftests: /) {
		sub(/^selftests: /, "", line)
		sub(/: /, ":", line)
	}
	if (line == "")
		line = "(program)"
	gsub(/ /, "_", line)
	if (toupper(why) ~ /^SKIP/) {
		status = "skip"
		why = substr(why, 6)
		if (why == "")
			why = reason[depth + 1]
	} else if (toupper(why) ~ /^(XFAIL|TODO)/)
		status = "pass"
	result(depth, status, line, why)
	reason[depth + 1] = ""
	next
}

# zram's shell scripts, which exit with 0 even if they have failed
line ~ /^[A-Za-z0-9_.-]+ : \[(PASS|FAIL)\]$/ {
	name = line
	sub(/ .*/, "", name)
	result(depth, line ~ /PASS/ ? "pass" : "fail", name, "")
	next
}

line ~ /^Bail out!/ && depth == 0 {
	bailed = substr(line, 11)
}

END {
	# what was cut off: its results, and that it was
	for (depth = 9; depth > 0; depth--)
		if (count[depth]) {
			result(depth - 1, "fail", "(unfinished)", "it ended before its result")
			cut = 1
		}
	if (bailed != "")
		add(0, "fail (machine) " bailed)
	else if (!planned[0])
		add(0, "fail (run) it printed no plan")
	else if (direct[0] - cut < planned[0])
		add(0, "fail (run) " direct[0] - cut " of " planned[0] " results came")
	for (i = 1; i <= count[0]; i++)
		print entry[0, i]
}
