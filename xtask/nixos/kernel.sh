# The kernel as nixpkgs has it: `bzImage`, `System.map`, its modules with their tables.
PATH=$coreutils/bin:$kmod/bin
mkdir -p "$out/lib/modules"
cp "$raw/boot/vmlinuz-$version" "$out/bzImage"
cp "$raw/boot/System.map-$version" "$out/System.map"
cp -a "$raw/usr/lib/modules/$version" "$out/lib/modules/"
chmod -R u+w "$out/lib"
rm -f "$out/lib/modules/$version/"{build,source}
depmod -b "$out" -F "$out/System.map" -a "$version"
