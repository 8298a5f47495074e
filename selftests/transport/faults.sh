#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The conformance suite finds every fault of a list of faulty transports: by the
# test that is there for it, and for the right reason.

cd "$(dirname "$0")" || exit 1
number=0
fail=0

result()
{
	number=$((number + 1))
	if [ "$1" = 0 ]; then
		echo "ok $number - $2"
	else
		echo "$said" | sed 's/^/# /'
		echo "not ok $number - $2"
		fail=1
	fi
}

# finds TRANSPORT TEST REASON: test number TEST must fail, saying REASON
finds()
{
	said=$(./conformance "$1" "$2" 2>&1)
	echo "$said" | grep -q "^not ok $2 " && echo "$said" | grep -q "$3"
	result $? "$1 is found by test $2: $3"
}

echo "TAP version 13"
echo "1..21"
finds bad-drop 5 "order is wrong"
finds bad-duplicate 5 "order is wrong"
finds bad-reorder 5 "order is wrong"
finds bad-lane 5 "lane is wrong"
finds bad-header 5 "header is wrong"
finds bad-number 5 "number is wrong"
finds bad-payload 4 "payload is wrong"
finds bad-tail 4 "bytes behind the payload is wrong"
finds bad-done 5 "frames taken"
finds bad-up2 2 "2 up"
finds bad-check 3 "lane 4: 0"
finds bad-full 6 "Resource temporarily unavailable"
finds bad-turn 7 "stands still: Timer expired"
finds bad-wait 7 "the sender has to wait"
finds bad-done 8 "frames taken"
finds bad-refusal 9 "0 link_down"
finds bad-down2 11 "link_down: 2 at the other end"
finds bad-down0 11 "link_down: 0 at the other end"
finds bad-close 11 "1 at the closed one"
finds bad-after 11 "senders ended with -62"
# and they are not transports that fail whatever is asked
said=$(./conformance bad-refusal 5 2>&1)
echo "$said" | grep -q '^ok 5 '
result $? "a fault does not show where it is not looked for"
exit $fail
