#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# ipi_vm while a tracer of the kernel comes and goes all the time on a function that dvmm-ipi watches,
# and KVM's modules have come and gone under that tracer before.
hooked=kvm_irq_delivery_to_apic_fast
tracing=/sys/kernel/tracing
own=$tracing/instances/dvmm-traced

modprobe dvmm || { echo "1..0 # SKIP no module dvmm"; exit 0; }
echo "TAP version 13"
echo "1..3"
mount -t tracefs tracefs $tracing 2> /dev/null
mkdir $own
grep -qw __$hooked $tracing/available_filter_functions && hooked=__$hooked
vendor=$(awk '$1 ~ /^kvm_/ {print $1; exit}' /proc/modules)

tracer() {
	echo $hooked > $own/set_ftrace_filter && echo "$1" > $own/current_tracer
}

come_and_go() {
	for i in 1 2 3 4 5 6 7 8 9 10; do
		tracer function && rmmod "$vendor" kvm && modprobe "$vendor" && tracer nop || return 1
	done
}

churn() {
	while tracer function && tracer nop; do
		echo turn >> /tmp/ipi_traced.turns
	done
}

come_and_go || printf 'not '
echo "ok 1 - KVM's modules come and go while a function of theirs is traced"
: > /tmp/ipi_traced.turns
churn &
./ipi_vm > /tmp/ipi_traced.out 2>&1
status=$?
kill $!
wait
tracer nop
rmdir $own
turns=$(wc -l < /tmp/ipi_traced.turns)
grep -v '^ok' /tmp/ipi_traced.out | sed 's/^/# /'
test $status = 0 || printf 'not '
echo "ok 2 - ipi_vm finds nothing wrong meanwhile"
test "$turns" -gt 5 || printf 'not '
echo "ok 3 - a tracer came and went on a watched function ($turns times)"
