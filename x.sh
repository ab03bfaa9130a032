scripts/pinscope load sched && for i in $(seq 50); do /bin/true; done; sleep 0.5; COLUMNS=250 scripts/pinscope show sched --top 6 | head -60|cut -c1-250
