#!/usr/bin/env bash
# Installs header, libraries and aster.pc below a prefix: stage.sh LIBS_DIR PREFIX [DESTDIR]
set -euo pipefail
libs="$1"
prefix="$2"
root="${3:-}$prefix"
cd "$(dirname "$0")/.."

value() { sed -n "s/^#define $1 \"\{0,1\}\([^\"]*\)\"\{0,1\}\$/\1/p" include/aster.h; }
major="$(value ASTER_ABI_MAJOR)"
minor="$(value ASTER_ABI_MINOR)"
version="$(value ASTER_VERSION)"

mkdir -p "$root/include" "$root/lib/pkgconfig"
cp include/aster.h "$root/include/aster.h"
# For tests hard links where the file system allows it, as an unoptimised library is large; installed ones are copies.
args=$#
place() { { [ "$args" -lt 3 ] && ln -f "$1" "$2" 2>/dev/null; } || cp -f --remove-destination "$1" "$2"; }
place "$libs/libaster.so" "$root/lib/libaster.so.$major.$minor.0"
ln -sf "libaster.so.$major.$minor.0" "$root/lib/libaster.so.$major"
ln -sf "libaster.so.$major" "$root/lib/libaster.so"
place "$libs/libaster.a" "$root/lib/libaster.a"
describe() { # NAME LIBS
  cat >"$root/lib/pkgconfig/$1.pc" <<END
prefix=$prefix
includedir=\${prefix}/include
libdir=\${prefix}/lib

Name: $1
Description: Peer-to-peer RPC in which the public key is the address
Version: $version
Libs: $2
Libs.private: -lpthread -ldl -lm -lgcc_s
Cflags: -I\${includedir}
END
}
describe aster "-L\${libdir} -laster"
describe aster-static "\${libdir}/libaster.a -lpthread -ldl -lm -lgcc_s"
