//! Embeds what flk carries: the flake `flk` (`flake.nix`, `nix/`) and the templates, as tables of path and content.

use std::{
    env,
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

fn main() -> io::Result<()> {
    let root =
        PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("set by Cargo")).join("../..");
    let root = root.canonicalize()?;
    let mut source = String::new();
    for (table, parts) in [
        ("FLAKE", ["flake.nix", "nix", "template"].as_slice()),
        ("TEMPLATE_DEBIAN", &["template/debian"]),
        ("TEMPLATE_NIXPKGS", &["template/nixpkgs"]),
    ] {
        let base = match parts {
            [only] => root.join(only),
            _ => root.clone(),
        };
        let mut files = Vec::new();
        for part in parts {
            let path = root.join(part);
            // A folder's own change is noticed, and so are new files in it.
            println!("cargo:rerun-if-changed={}", path.display());
            walk(&path, &mut files)?;
        }
        files.sort();
        let _ = writeln!(source, "pub(crate) static {table}: &[(&str, &[u8])] = &[");
        for file in files {
            println!("cargo:rerun-if-changed={}", file.display());
            let name = file.strip_prefix(&base).expect("walked from there");
            let _ = writeln!(source, "    ({name:?}, include_bytes!({file:?})),");
        }
        source.push_str("];\n");
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("set by Cargo"));
    fs::write(out.join("embedded.rs"), source)
}

fn walk(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if path.is_dir() {
        println!("cargo:rerun-if-changed={}", path.display());
        for entry in fs::read_dir(path)? {
            walk(&entry?.path(), files)?;
        }
    } else if path.is_file() {
        files.push(path.to_owned());
    }
    Ok(())
}
