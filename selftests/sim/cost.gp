# SPDX-License-Identifier: GPL-2.0
# Cost against nodes: gnuplot -e "csv='...'; changes='...'; out='DIRECTORY'" cost.gp
set datafile separator comma
set datafile missing NaN
set terminal svg size 760,480 dynamic background rgb 'white' font 'sans-serif,13'
set logscale x 2
set xlabel 'nodes'
set xrange [1.8:570]
set xtics (2, 4, 8, 16, 32, 64, 128, 256, 512)
set grid ytics
set key top left

# a column of the rows of one workload and one transition
pick(w, t, value) = (stringcolumn(1) eq w && stringcolumn(3) eq t) ? value : NaN

set output out.'/messages.svg'
set logscale y
set title 'Messages for a transition'
set ylabel 'messages, mean'
plot csv using 2:(pick('all-to-all', 'read miss', $5)) with linespoints title 'read miss, all to all', \
     '' using 2:(pick('all-to-all', 'write miss', $5)) with linespoints title 'write miss, all to all', \
     '' using 2:(pick('read-mostly', 'upgrade', $5)) with linespoints title 'upgrade, read mostly', \
     '' using 2:(pick('false-sharing', 'upgrade', $5)) with linespoints title 'upgrade, false sharing'

set output out.'/latency.svg'
set title 'What a faulting vCPU waits'
set ylabel 'microseconds, mean'
plot for [w in 'migratory read-mostly producer-consumer false-sharing all-to-all'] \
     csv using 2:(pick(w, 'read miss', $8)) with linespoints title 'read miss, '.w

set output out.'/home.svg'
unset logscale y
set title 'Load of the busiest home'
set ylabel 'messages received, over the mean of all nodes'
plot for [w in 'producer-consumer migratory read-mostly lock false-sharing all-to-all'] \
     csv using 2:(stringcolumn(1) eq w ? $9 / $10 : NaN) with linespoints title w

# a column of the rows of one change
of(c, value) = stringcolumn(1) eq c ? value : NaN

set output out.'/changes.svg'
set logscale y
set title 'What a change takes'
set ylabel 'microseconds'
plot changes using 2:(of('join', $6)) with linespoints title 'a node joins', \
     '' using 2:(of('leave', $6)) with linespoints title 'a node leaves', \
     '' using 2:(of('home', $6)) with linespoints title 'a chunk gets another home'

set output out.'/checkpoint.svg'
set title 'A checkpoint of 4 MiB'
set ylabel 'pause, microseconds'
set ytics nomirror
set y2tics
set y2label 'pages copied'
plot changes using 2:(of('checkpoint', $7)) with linespoints title 'pause, one node saves all', \
     '' using 2:(of('spread', $7)) with linespoints title 'pause, each home saves its pages', \
     '' using 2:(of('checkpoint', $9)) axes x1y2 with linespoints dashtype 2 title 'copied, one node', \
     '' using 2:(of('spread', $9)) axes x1y2 with linespoints dashtype 2 title 'copied, each home'
