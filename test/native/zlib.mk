# zlib for test programs: that of the system, or what every Linux with Node has
# of it, the shared library without headers, and then the headers of Node. The
# addon itself uses the zlib inside Node.

CFLAGS += -idirafter \
	$(shell node -p "require('../run/setup').headersDir()" 2>/dev/null)
ZLIB := $(shell echo 'int main(void) { return 0; }' | \
	$(CC) -x c - -o /dev/null -lz 2>/dev/null && echo -lz || \
	echo -l:libz.so.1)
