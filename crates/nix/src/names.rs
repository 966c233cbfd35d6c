//! Which packages a Nix file asks for, by its text: names below `pkgs` and within `with pkgs;`.
//!
//! Nix reports the first name that is missing and stops there. This finds all that a file may ask for, so that one evaluation can say which are
//! missing. Scopes are those of the Nix language; names that are computed are not seen, and what a condition leaves out is.

use rnix::ast::{self, Entry, Expr, HasEntry};
use rowan::ast::AstNode;

/// A name that a file asks for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PackageName {
    /// The attribute paths that it may mean, below the packages: one of them has to be there. More than one where `with` is within `with`.
    pub paths: Vec<Vec<String>>,
    /// The line, from 1.
    pub line: usize,
}

/// The packages that a file asks for, in the order of the text. A file with a syntax error asks for none.
pub fn package_names(source: &str) -> Vec<PackageName> {
    let parsed = rnix::Root::parse(source);
    let mut walk = Walk {
        source,
        found: Vec::new(),
    };
    if let (true, Some(expr)) = (parsed.errors().is_empty(), parsed.tree().expr()) {
        walk.expr(&expr, &Scope::default());
    }
    walk.found
}

/// What a name can mean at a place.
#[derive(Clone, Debug, Default)]
struct Scope {
    /// Names of `let`, `rec` and functions.
    bound: Vec<String>,
    /// `pkgs` is something else here than the packages.
    is_pkgs_bound: bool,
    /// The sets of `with`, below the packages; `None` is one that is not known.
    with: Vec<Option<Vec<String>>>,
}

impl Scope {
    fn bind(&mut self, name: String) {
        self.is_pkgs_bound |= name == "pkgs";
        self.bound.push(name);
    }

    /// The path of a set of packages: `pkgs` itself is the empty one, and `lib` is among the packages.
    fn packages(&self, expr: &Expr) -> Option<Vec<String>> {
        match expr {
            Expr::Paren(paren) => self.packages(&paren.expr()?),
            Expr::Ident(ident) if !self.is_pkgs_bound => match ident.to_string().as_str() {
                "pkgs" => Some(Vec::new()),
                "lib" => Some(vec!["lib".to_owned()]),
                _ => None,
            },
            Expr::Select(select) if select.default_expr().is_none() => {
                let mut path = self.packages(&select.expr()?)?;
                path.extend(static_path(&select.attrpath()?)?);
                Some(path)
            }
            _ => None,
        }
    }
}

/// A walk over a file.
struct Walk<'a> {
    source: &'a str,
    found: Vec<PackageName>,
}

impl Walk<'_> {
    fn add(&mut self, paths: Vec<Vec<String>>, node: &rnix::SyntaxNode) {
        let at = usize::from(node.text_range().start());
        let line = 1 + self.source[..at].matches('\n').count();
        self.found.push(PackageName { paths, line });
    }

    fn expr(&mut self, expr: &Expr, scope: &Scope) {
        match expr {
            Expr::With(with) => {
                let Some(namespace) = with.namespace() else {
                    return;
                };
                let mut inner = scope.clone();
                inner.with.push(scope.packages(&namespace));
                self.expr(&namespace, scope);
                if let Some(body) = with.body() {
                    self.expr(&body, &inner);
                }
            }
            Expr::Lambda(lambda) => {
                let mut inner = scope.clone();
                match lambda.param() {
                    Some(ast::Param::IdentParam(param)) => {
                        // `pkgs: …` has them as well.
                        let name = param.to_string();
                        if name != "pkgs" {
                            inner.bind(name);
                        }
                    }
                    Some(ast::Param::Pattern(pattern)) => {
                        for entry in pattern.pat_entries() {
                            let name = entry.ident().map(|ident| ident.to_string());
                            inner.bound.extend(name.filter(|name| name != "lib"));
                            if let Some(default) = entry.default() {
                                self.expr(&default, scope);
                            }
                        }
                        let whole = pattern.pat_bind().and_then(|bind| bind.ident());
                        inner.bound.extend(whole.map(|ident| ident.to_string()));
                    }
                    None => {}
                }
                if let Some(body) = lambda.body() {
                    self.expr(&body, &inner);
                }
            }
            Expr::LetIn(expr) => {
                let inner = binding(expr, scope);
                self.entries(expr, &inner, scope);
                if let Some(body) = expr.body() {
                    self.expr(&body, &inner);
                }
            }
            Expr::AttrSet(set) if set.rec_token().is_some() => {
                self.entries(set, &binding(set, scope), scope);
            }
            Expr::AttrSet(set) => self.entries(set, scope, scope),
            Expr::Select(select) => self.select(select, scope),
            Expr::Ident(ident) => {
                let name = ident.to_string();
                self.free(&name, &[], ident.syntax(), scope);
            }
            // What is asked for is there, or nobody minds.
            Expr::HasAttr(_) => {}
            other => {
                for child in other.syntax().children() {
                    self.node(&child, scope);
                }
            }
        }
    }

    fn node(&mut self, node: &rnix::SyntaxNode, scope: &Scope) {
        match Expr::cast(node.clone()) {
            Some(expr) => self.expr(&expr, scope),
            None => {
                for child in node.children() {
                    self.node(&child, scope);
                }
            }
        }
    }

    fn select(&mut self, select: &ast::Select, scope: &Scope) {
        if let Some(default) = select.default_expr() {
            return self.expr(&default, scope);
        }
        let (Some(base), Some(attributes)) = (select.expr(), select.attrpath()) else {
            return;
        };
        let path = static_path(&attributes);
        match (scope.packages(&base), path, &base) {
            (Some(mut packages), Some(path), _) => {
                packages.extend(path);
                self.add(vec![packages], select.syntax());
            }
            (None, Some(path), Expr::Ident(ident)) => {
                self.free(&ident.to_string(), &path, select.syntax(), scope);
            }
            _ => self.expr(&base, scope),
        }
    }

    /// A name that only `with` can give, and what is selected of it.
    fn free(&mut self, name: &str, rest: &[String], node: &rnix::SyntaxNode, scope: &Scope) {
        let is_known = BUILT_IN.contains(&name)
            || ["pkgs", "lib"].contains(&name)
            || scope.bound.iter().any(|bound| bound == name);
        let Some(namespaces) = scope.with.iter().cloned().collect::<Option<Vec<_>>>() else {
            return;
        };
        if is_known || namespaces.is_empty() {
            return;
        }
        let paths = namespaces.into_iter().rev().map(|mut path| {
            path.push(name.to_owned());
            path.extend(rest.iter().cloned());
            path
        });
        self.add(paths.collect(), node);
    }

    /// The values of a set's entries; `inherit (pkgs) a b` asks for both.
    fn entries(&mut self, set: &impl HasEntry, scope: &Scope, outer: &Scope) {
        for entry in set.entries() {
            match entry {
                Entry::AttrpathValue(entry) => {
                    if let Some(value) = entry.value() {
                        self.expr(&value, scope);
                    }
                }
                Entry::Inherit(inherit) => {
                    let Some(from) = inherit.from().and_then(|from| from.expr()) else {
                        continue;
                    };
                    let Some(packages) = outer.packages(&from) else {
                        self.expr(&from, scope);
                        continue;
                    };
                    for attribute in inherit.attrs() {
                        if let ast::Attr::Ident(ident) = &attribute {
                            let mut path = packages.clone();
                            path.push(ident.to_string());
                            self.add(vec![path], ident.syntax());
                        }
                    }
                }
            }
        }
    }
}

/// The scope within a set whose names see each other.
fn binding(set: &impl HasEntry, scope: &Scope) -> Scope {
    let mut inner = scope.clone();
    for entry in set.entries() {
        match entry {
            Entry::AttrpathValue(entry) => {
                let first = entry.attrpath().and_then(|path| path.attrs().next());
                if let Some(ast::Attr::Ident(ident)) = first {
                    inner.bind(ident.to_string());
                }
            }
            Entry::Inherit(inherit) => {
                for attribute in inherit.attrs() {
                    if let ast::Attr::Ident(ident) = attribute {
                        inner.bind(ident.to_string());
                    }
                }
            }
        }
    }
    inner
}

/// The names of a path that is written out.
fn static_path(path: &ast::Attrpath) -> Option<Vec<String>> {
    path.attrs()
        .map(|attribute| match attribute {
            ast::Attr::Ident(ident) => Some(ident.to_string()),
            ast::Attr::Str(text) => match text.normalized_parts().as_slice() {
                [ast::InterpolPart::Literal(name)] => Some(name.clone()),
                _ => None,
            },
            ast::Attr::Dynamic(_) => None,
        })
        .collect()
}

/// The names that the language itself gives.
const BUILT_IN: [&str; 23] = [
    "true",
    "false",
    "null",
    "builtins",
    "abort",
    "baseNameOf",
    "break",
    "derivation",
    "derivationStrict",
    "dirOf",
    "fetchGit",
    "fetchMercurial",
    "fetchTarball",
    "fetchTree",
    "fromTOML",
    "import",
    "isNull",
    "map",
    "placeholder",
    "removeAttrs",
    "scopedImport",
    "throw",
    "toString",
];

#[cfg(test)]
mod tests {
    use super::*;

    /// `line:path`, alternatives with bars between them.
    fn names(source: &str) -> Vec<String> {
        let shown = |name: PackageName| {
            let paths: Vec<String> = name.paths.iter().map(|path| path.join(".")).collect();
            format!("{}:{}", name.line, paths.join("|"))
        };
        package_names(source).into_iter().map(shown).collect()
    }

    #[test]
    fn names_are_found_where_the_language_looks_for_them_among_packages() {
        for (source, expected) in [
            (
                "{ pkgs, ... }: [ pkgs.vim\n pkgs.gnome.gedit ]",
                &["1:vim", "2:gnome.gedit"][..],
            ),
            (
                "{ pkgs }: with pkgs;\n[ vim\n\"exa\" helix python3Packages.x ]",
                &["2:vim", "3:helix", "3:python3Packages.x"],
            ),
            (
                "{ pkgs }: with pkgs.gnome; [ gedit ]",
                &["1:gnome", "1:gnome.gedit"],
            ),
            (
                "{ lib, pkgs }: with lib; with pkgs; optional true vim",
                &["1:optional|lib.optional", "1:vim|lib.vim"],
            ),
            // Not among packages, or nobody can tell.
            ("{ pkgs, other }: with other; with pkgs; [ vim ]", &[]),
            ("{ pkgs, vim }: with pkgs; [ vim ]", &[]),
            ("{ pkgs }: let vim = 1; in with pkgs; [ vim true map ]", &[]),
            ("{ pkgs }: with pkgs; rec { a = b; b = c; }", &["1:c"]),
            ("{ pkgs }: let pkgs = { }; in pkgs.vim", &[]),
            ("{ pkgs }: [ (pkgs.vim or null) (pkgs ? emacs) ]", &[]),
            ("{ pkgs }: pkgs.${\"vim\"}", &[]),
            (
                "{ pkgs }: { inherit (pkgs) vim\n helix; }",
                &["1:vim", "2:helix"],
            ),
            (
                "{ pkgs }: (pkgs.vim.override { a = pkgs.b; })",
                &["1:vim.override", "1:b"],
            ),
            ("{ pkgs }: ''${pkgs.vim}/bin/vim''", &["1:vim"]),
            ("final: prev: { a = prev.b; }", &[]),
            ("pkgs: [ pkgs.vim ]", &["1:vim"]),
            ("{ pkgs }: [ pkgs.vim", &[]),
        ] {
            assert_eq!(names(source), expected, "{source}");
        }
    }
}
