# The builder of bootstrap.nix: $script is what to make, $raws are unpacked Debian packages.
export LC_ALL=C
tools=$PWD/.tools
"$busybox" mkdir "$tools"
for applet in $("$busybox" --list); do "$busybox" ln -s "$busybox" "$tools/$applet"; done
PATH=$tools
elf() { "$loader" --library-path "$loaderPath" "$patchelf" "$@"; }

# Files that are ELF, below a directory.
each_elf() {
    find "$1" -type f | while IFS= read -r file; do
        magic=
        IFS= read -r -n 4 magic <"$file" 2>/dev/null || true
        [ "$magic" = $'\x7fELF' ] && printf '%s\n' "$file"
    done
    return 0
}

# Interpreter and RPATH of what is dynamic.
patch_elves() {
    rpath=$2/lib:$2/lib/systemd
    for own in lib/nix libexec/sudo; do
        [ ! -d "$out/$own" ] || rpath=$rpath:$out/$own
    done
    each_elf "$1" | while IFS= read -r file; do
        case $file in
            */ld-linux-x86-64.so.2 | */libc.so.6 | *.o | *.ko | *.mod) continue ;;
        esac
        chmod u+w "$file"
        if elf --print-interpreter "$file" >/dev/null 2>&1; then
            elf --set-interpreter "$2/lib/ld-linux-x86-64.so.2" "$file" || continue
        fi
        if elf --print-needed "$file" >/dev/null 2>&1; then
            elf --force-rpath --set-rpath "$rpath" "$file"
        fi
    done
}

# Absolute symlinks: into the output, if it is there; alternatives are nobody's here.
mend_links() {
    find "$1" -type l | while IFS= read -r link; do
        target=$(readlink "$link")
        case $target in
            /nix/store/*) ;;
            /*)
                inside=$1/${target#/}
                [ -e "$inside" ] || inside=$1/${target#/usr/}
                rm "$link"
                [ ! -e "$inside" ] || ln -s "$inside" "$link"
                ;;
        esac
    done
}

mend_scripts() {
    find "$1" -type f -perm -100 | while IFS= read -r file; do
        line=
        IFS= read -r line <"$file" 2>/dev/null || true
        case $line in
            '#!'*/sh* | '#!'*/bash*) [ -z "$bash" ] || sed -i "1s|^#! *[^ ]*/\(ba\)\?sh|#!$bash/bin/bash|" "$file" ;;
            '#!'*perl*) [ -z "$perl" ] || sed -i "1s|^#! *[^ ]*perl|#!$perl/bin/perl|" "$file" ;;
        esac
    done
}

# Directories of the raw paths into the output, merged.
take() {
    for raw in $raws; do
        [ ! -d "$raw/$1" ] || { mkdir -p "$out/$2"; cp -a "$raw/$1/." "$out/$2/"; chmod -R u+w "$out/$2"; }
    done
}

# `sbin` is `bin`; a file in Debian's `bin` comes before a link to it in `sbin`.
take_programs() {
    for raw in $raws; do
        for file in "$raw/$1"/*; do
            [ -e "$file" ] || [ -L "$file" ] || continue
            mkdir -p "$out/bin"
            rm -f "$out/bin/${file##*/}"
            cp -a "$file" "$out/bin/"
        done
    done
    [ ! -d "$out/bin" ] || chmod -R u+w "$out/bin"
}

# A program that starts with an environment: NAME, then assignments.
wrap() {
    local program=$1
    shift
    mv "$out/bin/$program" "$out/bin/.$program-wrapped"
    { printf '#!%s/bin/bash\n' "$bash"; printf 'export %s\n' "$@"; printf 'exec -a "$0" %s/bin/.%s-wrapped "$@"\n' "$out" "$program"; } >"$out/bin/$program"
    chmod 755 "$out/bin/$program"
}

mkdir "$out"
case $script in
    libraries)
        take usr/lib/x86_64-linux-gnu lib
        find "$out/lib" \( -name '*.a' -o -name '*.o' -o -name '*.la' -o -name pkgconfig \) -print0 | xargs -0 rm -rf
        ln -s . "$out/lib/x86_64-linux-gnu"
        mend_links "$out"
        patch_elves "$out" "$out"
        ;;
    package)
        take_programs usr/sbin
        take_programs usr/bin
        take usr/libexec libexec
        take usr/share share
        take usr/include include
        take etc etc
        for raw in $raws; do
            [ ! -d "$raw/usr/lib" ] || for entry in "$raw"/usr/lib/*; do
                case $entry in
                    */x86_64-linux-gnu | */lib/bfd-plugins) continue ;;
                esac
                mkdir -p "$out/lib"
                cp -a "$entry" "$out/lib/"
                chmod -R u+w "$out/lib"
            done
        done
        rm -rf "$out"/share/{doc,lintian,bug,man,info,locale}
        [ ! -d "$out/bin" ] || ln -s bin "$out/sbin"
        mend_links "$out"
        patch_elves "$out" "$libraries"
        mend_scripts "$out"
        eval "$post"
        ;;
esac
