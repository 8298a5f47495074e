#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The jobs of the bench on this machine, small: right for one, two and three threads,
# and each check finds a result that was spoilt.
count=0 bad=0

ok() {
	count=$((count + 1))
	if test "$1" = 0; then
		echo "ok $count - $2"
	else
		bad=1
		echo "not ok $count - $2"
	fi
}

# one NAME=SIZE
one() {
	wrong=0
	for cpus in 0 '0 0' '0 0 0'; do
		timeout 20 ./benchjob "$1" $cpus > /dev/null || wrong=1
	done
	ok $wrong "$1 on one, two and three threads"
	BENCHJOB_SPOIL=1 timeout 20 ./benchjob "$1" 0 0 | grep -q ': WRONG'
	ok $? "${1%=*}: a spoilt result is found"
}

echo 'TAP version 13'
for job in ep=20000 spmv=1024 stencil=64 stencil+spin=16 sort=5000 counter=1000 pipes=20 tree=2 touch=4 reader=1 \
	ep=20000:3 spmv=1024:3 stencil=64:3 sort=5000:3 counter=1000:3 pipes=20:3 tree=2:3; do
	one $job
done
./benchjob nosuch 0 > /dev/null 2>&1
test $? = 2
ok $? 'a job that is not known is refused'
./benchjob stencil+sleep=16 0 > /dev/null 2>&1
test $? = 2
ok $? 'and so is a way to wait'
for job in touch=1:2 ep=1000:0; do
	./benchjob "$job" 0 > /dev/null 2>&1
	test $? = 2
	ok $? "$job is refused"
done
./benchjob ep=20000:3 0 | grep -q ', the first of 3 times [0-9.]* s$'
ok $? 'the time of the first of several is told'
echo "1..$count"
exit $bad
