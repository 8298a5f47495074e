#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# In a node with two CPUs: ftrace comes and goes on a function that runs, for SECONDS (600).
seconds=${1:-600}
at=/sys/module/dvmm_ftrace_churn/parameters

echo "TAP version 13"
echo "1..1"
modprobe dvmm-ftrace-churn || { echo "not ok 1 - dvmm-ftrace-churn is loaded"; exit 1; }
before=0
while test "$seconds" -gt 0; do
	sleep 10
	seconds=$((seconds - 10))
	now=$(cat $at/changes)
	echo "# $seconds s left: $now changes, $(cat $at/sightings) of $(cat $at/calls) calls seen"
	test "$now" -gt "$before" || { echo "not ok 1 - ftrace stands still"; exit 1; }
	before=$now
done
rmmod dvmm-ftrace-churn
echo "ok 1 - ftrace comes and goes on a function that runs"
