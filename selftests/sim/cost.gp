# SPDX-License-Identifier: GPL-2.0
# Cost against nodes: gnuplot -e "csv='...'; out='DIRECTORY'" cost.gp
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
