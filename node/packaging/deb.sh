#!/usr/bin/env bash
# Makes build/cpis_VERSION_ARCH.deb of what `make install` has put into FOLDER/root. usage: deb.sh FOLDER VERSION ARCH
set -euo pipefail
folder=$1 version=$2 arch=$3
here=$(cd "$(dirname "$0")" && pwd)
root=$folder/root
strip --strip-unneeded "$root"/usr/bin/*
find "$root/usr/share/man" -name '*.1' -exec gzip -9n {} +
install -m 644 "$here/debian/copyright" "$root/usr/share/doc/cpis/copyright"
# which packages hold the libraries that the programs load
mkdir -p "$folder/debian" "$root/DEBIAN"
printf 'Source: cpis\n\nPackage: cpis\nArchitecture: any\n' >"$folder/debian/control"
depends=$(cd "$folder" && dpkg-shlibdeps -O --ignore-missing-info root/usr/bin/* 2>/dev/null | sed -n 's/^shlibs:Depends=//p')
[ -n "$depends" ] || { echo "deb: which libraries are needed is not known" >&2; exit 1; }
sed "s|@VERSION@|$version|; s|@ARCH@|$arch|; s|@DEPENDS@|$depends|; s|@SIZE@|$(du -sk "$root/usr" | cut -f 1)|" \
    "$here/debian/control" >"$root/DEBIAN/control"
install -m 755 "$here/debian/postinst" "$here/debian/prerm" "$here/debian/postrm" "$root/DEBIAN/"
(cd "$root" && find usr -type f -exec md5sum {} + | sort -k 2 >DEBIAN/md5sums)
find "$root" -type d -exec chmod 755 {} +
dpkg-deb --root-owner-group --build "$root" "$folder/../cpis_${version}_$arch.deb" >/dev/null
echo "  DEB  $(cd "$folder/.." && pwd)/cpis_${version}_$arch.deb"
