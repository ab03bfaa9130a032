scripts/pinscope load file_io || exit
cat /proc/self/io >/dev/null
dd if=/dev/zero of=/tmp/f bs=1000 count=50 conv=fsync status=none
dd if=/tmp/f of=/dev/null bs=4096 status=none
ls /nonexistent
build/pinscope-reader show file_io --map procs --top 8 | cut -c1-200
build/pinscope-reader dump --json file_io --map filesystems | jq -r 'select(.type=="row")|[.labels.fs,.labels.device,.labels.op,.calls,.errors,.bytes,.time.count,.time.mean_ns]|@tsv'
build/pinscope-reader dump --json file_io --map losses | tail -n +2
