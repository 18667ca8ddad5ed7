//! The crates depend on each other as `docs/architecture.md` says, and on nothing more: its two tables are
//! read here and compared with what cargo knows of the manifests.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

type Names = BTreeSet<String>;

/// What a crate's manifest names: for the crate and its build script, and for its tests alone.
#[derive(Debug, Default, PartialEq)]
struct Arrows {
    depends: Names,
    tests: Names,
}

/// One crate's name, and (name of dependency, whether a folder here, whether for tests only).
type Manifest = (String, Vec<(String, bool, bool)>);

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the package is in the workspace")
}

fn manifests() -> Vec<Manifest> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    list(&metadata["packages"])
        .map(|package| {
            let dependencies = list(&package["dependencies"])
                .map(|one| (text(&one["name"]), one["path"].is_string(), one["kind"].as_str() == Some("dev")))
                .collect();
            (text(&package["name"]), dependencies)
        })
        .collect()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().expect("a list").iter()
}

fn text(value: &Value) -> String {
    value.as_str().expect("a name").to_string()
}

/// The arrows between crates as the manifests have them.
fn drawn(manifests: &[Manifest]) -> BTreeMap<String, Arrows> {
    manifests
        .iter()
        .map(|(name, dependencies)| {
            let mut arrows = Arrows::default();
            for (to, _, test) in dependencies.iter().filter(|(_, ours, _)| *ours) {
                match test {
                    true => arrows.tests.insert(to.clone()),
                    false => arrows.depends.insert(to.clone()),
                };
            }
            arrows.tests.retain(|to| !arrows.depends.contains(to));
            (name.clone(), arrows)
        })
        .collect()
}

/// The rows of the table that follows `<!-- name -->`, without its heading: the cells, each a list of names.
fn table(name: &str) -> Vec<(String, Vec<Names>)> {
    let page = std::fs::read_to_string(root().join("docs/architecture.md")).expect("docs/architecture.md is there");
    let marker = format!("<!-- {name} -->");
    let (_, rest) = page
        .split_once(&marker)
        .unwrap_or_else(|| panic!("docs/architecture.md has no {marker}"));
    let rows: Vec<_> = rest
        .lines()
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'))
        .skip(2)
        .map(|line| {
            let mut cells = line.trim_matches('|').split('|').map(|cell| {
                let names = cell.split(',').map(|name| name.trim().trim_matches('`'));
                names
                    .filter(|name| !matches!(*name, "" | "-"))
                    .map(str::to_string)
                    .collect::<Names>()
            });
            let first = cells
                .next()
                .and_then(|names| names.into_iter().next())
                .expect("a row starts with a name");
            (first, cells.collect())
        })
        .collect();
    assert!(!rows.is_empty(), "no table follows {marker}");
    rows
}

#[test]
fn the_arrows_are_those_of_the_table() {
    let mut written = BTreeMap::new();
    for (name, cells) in table("arrows") {
        let [depends, tests, ..] = &cells[..] else {
            panic!("the row of {name} is too short")
        };
        let arrows = Arrows {
            depends: depends.clone(),
            tests: tests.clone(),
        };
        assert!(written.insert(name.clone(), arrows).is_none(), "{name} has two rows");
    }
    let drawn = drawn(&manifests());
    let names = |arrows: &BTreeMap<String, Arrows>| arrows.keys().cloned().collect::<Names>();
    assert_eq!(
        names(&drawn),
        names(&written),
        "crates of the workspace (left) and rows of docs/architecture.md (right)"
    );
    for (name, arrows) in &drawn {
        assert_eq!(
            arrows, &written[name],
            "{name}: its manifest (left) and its row in docs/architecture.md (right)"
        );
    }
}

/// A function reaches data through the engine's implementation of `Backend`, and has no other way.
#[test]
fn the_sandbox_and_the_policy_reach_no_data() {
    let drawn = drawn(&manifests());
    for from in ["sandbox", "policy"] {
        let mut reached = Names::new();
        let mut next = vec![from];
        while let Some(name) = next.pop() {
            for to in &drawn[name].depends {
                if reached.insert(to.clone()) {
                    next.push(to);
                }
            }
        }
        for forbidden in ["storage", "catalog", "query", "engine", "server"] {
            assert!(!reached.contains(forbidden), "{from} reaches {forbidden}");
        }
    }
}

/// A library that can be exchanged is known to one crate.
#[test]
fn one_crate_knows_each_large_library() {
    let manifests = manifests();
    for (library, cells) in table("libraries") {
        let known: Names = manifests
            .iter()
            .filter(|(_, dependencies)| dependencies.iter().any(|(name, ours, _)| !ours && *name == library))
            .map(|(name, _)| name.clone())
            .collect();
        assert_eq!(
            Some(&known),
            cells.first(),
            "who names {library} in its manifest (left), and who may (right)"
        );
    }
}
