//! The archive's whole index as one JSON document, from `Packages.xz` files.
//!
//! The document's shape is a contract: ARCHITECTURE.md, "The index". Of several versions of one package the newest is kept.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::control::{Paragraph, Paragraphs};
use crate::error::{Error, Result};
use crate::relation::{Relation, parse_field};
use crate::version::Version;

/// One `Packages.xz`, and where its packages are to be had.
#[derive(Debug, Clone, Deserialize)]
pub struct IndexSource {
    /// The file.
    pub path: PathBuf,
    /// `debian` or `debian-security`.
    pub mirror: String,
    /// `main`, `non-free-firmware`.
    pub component: String,
}

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    packages: BTreeMap<&'a str, Entry<'a>>,
    provides: BTreeMap<&'a str, BTreeSet<&'a str>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    version: &'a str,
    mirror: &'a str,
    component: &'a str,
    path: &'a str,
    size: u64,
    sha256: &'a str,
    installed_size: u64,
    architecture: &'a str,
    priority: &'a str,
    section: &'a str,
    summary: &'a str,
    depends: Vec<Vec<&'a str>>,
    provides: Vec<&'a str>,
}

/// A package as read, before the whole archive is known.
struct Package {
    name: String,
    version: Version,
    source: usize,
    path: String,
    size: u64,
    sha256: String,
    installed_size: u64,
    architecture: String,
    priority: String,
    section: String,
    summary: String,
    depends: Vec<Vec<Relation>>,
    provides: Vec<Relation>,
}

/// Reads `sources` and writes the document to `output`, without a line break inside.
///
/// # Errors
/// When a source cannot be read or a package in it lacks a field that the document needs, or `output` refuses.
pub fn write_index(sources: &[IndexSource], output: &mut dyn Write) -> Result<()> {
    let mut packages: BTreeMap<String, Package> = BTreeMap::new();
    for (position, source) in sources.iter().enumerate() {
        let file = fs::File::open(&source.path).map_err(Error::io("open", &source.path))?;
        let reader = BufReader::new(liblzma::read::XzDecoder::new_multi_decoder(file));
        for paragraph in Paragraphs::new(reader) {
            let paragraph = paragraph.map_err(Error::io("read", &source.path))?;
            let package =
                read_package(&paragraph, position).map_err(|reason| Error::Parameters {
                    command: "index",
                    reason: format!("{}: {reason}", source.path.display()),
                })?;
            let is_newer = packages
                .get(&package.name)
                .is_none_or(|known| package.version > known.version);
            if is_newer {
                packages.insert(package.name.clone(), package);
            }
        }
    }
    write_document(&packages, sources, output)
}

fn write_document(
    packages: &BTreeMap<String, Package>,
    sources: &[IndexSource],
    output: &mut dyn Write,
) -> Result<()> {
    let mut provides: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut provisions: BTreeMap<&str, Vec<&Relation>> = BTreeMap::new();
    for package in packages.values() {
        for provided in &package.provides {
            provides
                .entry(&provided.name)
                .or_default()
                .insert(&package.name);
            provisions.entry(&provided.name).or_default().push(provided);
        }
    }
    let entries = packages
        .values()
        .map(|package| {
            let depends = package
                .depends
                .iter()
                .map(|group| alternatives(group, packages, &provisions))
                .collect();
            let source = &sources[package.source];
            let entry = Entry {
                version: package.version.as_str(),
                mirror: &source.mirror,
                component: &source.component,
                path: &package.path,
                size: package.size,
                sha256: &package.sha256,
                installed_size: package.installed_size,
                architecture: &package.architecture,
                priority: &package.priority,
                section: &package.section,
                summary: &package.summary,
                depends,
                provides: package
                    .provides
                    .iter()
                    .map(|relation| relation.name.as_str())
                    .collect(),
            };
            (package.name.as_str(), entry)
        })
        .collect();
    let document = Document {
        version: 1,
        packages: entries,
        provides,
    };
    serde_json::to_writer(output, &document).map_err(|source| Error::Json {
        path: Path::new("index").to_owned(),
        source,
    })
}

/// The alternatives that the archive can meet. Where it can meet none of them, all stay: the error is better made where
/// somebody asks for the package.
fn alternatives<'a>(
    group: &'a [Relation],
    packages: &BTreeMap<String, Package>,
    provisions: &BTreeMap<&str, Vec<&Relation>>,
) -> Vec<&'a str> {
    let can_be_met = |relation: &Relation| {
        let is_met = packages
            .get(&relation.name)
            .is_some_and(|package| relation.is_met_by(&package.version));
        is_met || is_provided(relation, provisions)
    };
    let mut names: Vec<&str> = Vec::new();
    for relation in group.iter().filter(|relation| can_be_met(relation)) {
        if !names.contains(&relation.name.as_str()) {
            names.push(&relation.name);
        }
    }
    if names.is_empty() {
        names = group
            .iter()
            .map(|relation| relation.name.as_str())
            .collect();
        names.dedup();
    }
    names
}

/// Policy 7.5: a constraint on the version is met only by a provision that gives a version.
fn is_provided(relation: &Relation, provisions: &BTreeMap<&str, Vec<&Relation>>) -> bool {
    let Some(provisions) = provisions.get(relation.name.as_str()) else {
        return false;
    };
    provisions
        .iter()
        .any(|provided| match &provided.constraint {
            Some((_, version)) => relation.is_met_by(version),
            None => relation.constraint.is_none(),
        })
}

fn read_package(paragraph: &Paragraph, source: usize) -> Result<Package, String> {
    let name = paragraph
        .get("Package")
        .ok_or("a paragraph has no field `Package`")?
        .to_owned();
    let need = |field: &str| {
        paragraph
            .get(field)
            .ok_or_else(|| format!("the package `{name}` has no field `{field}`"))
    };
    let optional = |field: &str| paragraph.get(field).unwrap_or_default().to_owned();
    let relations = |field: &str| paragraph.get(field).map(parse_field).unwrap_or_default();
    let mut depends = relations("Pre-Depends");
    depends.extend(relations("Depends"));
    Ok(Package {
        version: Version::new(need("Version")?),
        source,
        path: need("Filename")?.to_owned(),
        size: need("Size")?
            .parse()
            .map_err(|_| format!("the package `{name}` has a field `Size` that is no number"))?,
        sha256: need("SHA256")?.to_owned(),
        installed_size: paragraph
            .get("Installed-Size")
            .and_then(|size| size.parse().ok())
            .unwrap_or(0),
        architecture: need("Architecture")?.to_owned(),
        priority: optional("Priority"),
        section: optional("Section"),
        summary: paragraph
            .get("Description")
            .and_then(|description| description.lines().next())
            .unwrap_or_default()
            .to_owned(),
        depends,
        provides: relations("Provides").into_iter().flatten().collect(),
        name,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAIN: &str = "\
Package: htop
Version: 3.4.1-5
Installed-Size: 433
Architecture: amd64
Depends: libc6 (>= 2.38), libncursesw6 (>= 6) | libtinfo6:any, mail-transport-agent, awk (>= 1), old (>= 2) | mawk
Pre-Depends: dpkg (>= 1.15)
Description: interactive processes viewer
 Long text.
Section: utils
Priority: optional
Filename: pool/main/h/htop/htop_3.4.1-5_amd64.deb
Size: 171496
SHA256: 00ff

Package: old
Version: 1
Architecture: all
Filename: pool/main/o/old/old_1_all.deb
Size: 1
SHA256: 01

Package: mawk
Version: 1.3
Architecture: amd64
Provides: awk (= 1.3), mail-transport-agent
Filename: pool/main/m/mawk/mawk_1.3_amd64.deb
Size: 2
SHA256: 02
";

    const SECURITY: &str = "\
Package: old
Version: 1.1
Architecture: all
Filename: pool/updates/main/o/old/old_1.1_all.deb
Size: 3
SHA256: 03

Package: mawk
Version: 1.3~rc1
Architecture: amd64
Filename: pool/updates/main/m/mawk/mawk_1.3~rc1_amd64.deb
Size: 4
SHA256: 04
";

    const GOLDEN: &str = concat!(
        r#"{"version":1,"packages":{"#,
        r#""htop":{"version":"3.4.1-5","mirror":"debian","component":"main","path":"pool/main/h/htop/htop_3.4.1-5_amd64.deb","#,
        r#""size":171496,"sha256":"00ff","installedSize":433,"architecture":"amd64","priority":"optional","section":"utils","#,
        r#""summary":"interactive processes viewer","#,
        r#""depends":[["dpkg"],["libc6"],["libncursesw6","libtinfo6"],["mail-transport-agent"],["awk"],["mawk"]],"provides":[]},"#,
        r#""mawk":{"version":"1.3","mirror":"debian","component":"main","path":"pool/main/m/mawk/mawk_1.3_amd64.deb","#,
        r#""size":2,"sha256":"02","installedSize":0,"architecture":"amd64","priority":"","section":"","summary":"","#,
        r#""depends":[],"provides":["awk","mail-transport-agent"]},"#,
        r#""old":{"version":"1.1","mirror":"debian-security","component":"main","path":"pool/updates/main/o/old/old_1.1_all.deb","#,
        r#""size":3,"sha256":"03","installedSize":0,"architecture":"all","priority":"","section":"","summary":"","#,
        r#""depends":[],"provides":[]}},"#,
        r#""provides":{"awk":["mawk"],"mail-transport-agent":["mawk"]}}"#,
    );

    fn source(folder: &Path, mirror: &str, text: &str) -> IndexSource {
        let path = folder.join(mirror);
        let mut encoder = liblzma::write::XzEncoder::new(fs::File::create(&path).unwrap(), 1);
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap();
        IndexSource {
            path,
            mirror: mirror.to_owned(),
            component: "main".to_owned(),
        }
    }

    #[test]
    fn the_index_is_the_contracts_json() {
        let folder = tempfile::tempdir().unwrap();
        let sources = [
            source(folder.path(), "debian", MAIN),
            source(folder.path(), "debian-security", SECURITY),
        ];
        let mut json = Vec::new();
        write_index(&sources, &mut json).unwrap();
        assert_eq!(String::from_utf8(json).unwrap(), GOLDEN);
    }

    #[test]
    fn a_package_without_a_hash_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let sources = [source(
            folder.path(),
            "debian",
            &MAIN.replace("SHA256: 02\n", ""),
        )];
        let error = write_index(&sources, &mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("`mawk` has no field `SHA256`"));
    }
}
