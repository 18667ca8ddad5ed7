//! Canonical paths and patterns over them.

use crate::PolicyError;
use crate::glob::{Glob, align};

/// An absolute path without `.`, `..`, doubled or trailing slashes. Whoever opens files makes it canonical first, symbolic links
/// included, and opens just this path afterwards; this type refuses the ones that plainly are not.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CanonicalPath(String);

/// Linux's PATH_MAX.
const MAX_PATH_BYTES: usize = 4096;

impl CanonicalPath {
    pub fn new(path: impl Into<String>) -> Result<CanonicalPath, PolicyError> {
        let path = path.into();
        let refuse = |why| Err(PolicyError::NotCanonical { path: clip(&path), why });
        if path.len() > MAX_PATH_BYTES {
            return refuse("it is too long");
        }
        if path.contains('\0') {
            return refuse("it contains a zero character");
        }
        let Some(below) = path.strip_prefix('/') else {
            return refuse("it is not absolute");
        };
        if !below.is_empty() && below.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return refuse("it is not canonical");
        }
        Ok(CanonicalPath(path))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn components(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').filter(|part| !part.is_empty())
    }
}

impl std::fmt::Display for CanonicalPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A pattern over canonical paths: `*` is any run of characters within one component, a component `**` is any number of
/// components, and at the end at least one. Nothing else is special, and a `*` in a file's name cannot be spelled.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PathPattern(Vec<Component>);

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Component {
    Name(Glob),
    /// `**`
    Deep,
}

impl PathPattern {
    pub fn parse(text: &str) -> Result<PathPattern, &'static str> {
        if text.len() > MAX_PATH_BYTES {
            return Err("it is too long");
        }
        if text.chars().any(char::is_control) {
            return Err("it contains a control character");
        }
        let below = text.strip_prefix('/').ok_or("it must be an absolute path")?;
        let components = below.split('/').map(|part| match part {
            "" => Err("a part of the path is empty"),
            "." | ".." => Err("\".\" and \"..\" are not allowed in it"),
            "**" => Ok(Component::Deep),
            part if part.contains("**") => Err("\"**\" must stand alone between slashes"),
            part => Ok(Component::Name(Glob::parse(part))),
        });
        Ok(PathPattern(components.collect::<Result<_, _>>()?))
    }

    /// The pattern of just this path, where it can be spelled.
    pub fn exact(path: &CanonicalPath) -> Option<PathPattern> {
        if path.as_str().contains('*') || path.components().next().is_none() {
            return None;
        }
        Some(PathPattern(
            path.components().map(|part| Component::Name(Glob::literal(part))).collect(),
        ))
    }

    /// The pattern of all that lies directly in this folder.
    pub fn entries_of(folder: &CanonicalPath) -> Option<PathPattern> {
        if folder.as_str().contains('*') {
            return None;
        }
        let mut components: Vec<Component> = folder.components().map(|part| Component::Name(Glob::literal(part))).collect();
        components.push(Component::Name(Glob::parse("*")));
        Some(PathPattern(components))
    }

    pub fn matches(&self, path: &CanonicalPath) -> bool {
        let names: Vec<&str> = path.components().collect();
        matches(&self.expanded(), &names)
    }

    /// Whether it covers everything that lies directly in this folder, so that the folder may be listed.
    pub fn covers_entries_of(&self, folder: &CanonicalPath) -> bool {
        let mut names: Vec<Component> = folder.components().map(|name| Component::Name(Glob::literal(name))).collect();
        names.push(Component::Name(Glob::parse("*")));
        covers(&self.expanded(), &names)
    }

    pub fn covers(&self, other: &PathPattern) -> bool {
        covers(&self.expanded(), &other.expanded())
    }

    pub fn overlaps(&self, other: &PathPattern) -> bool {
        let pair = |ours: &Component, theirs: &Component| match (ours, theirs) {
            (Component::Name(ours), Component::Name(theirs)) => ours.overlaps(theirs),
            (Component::Deep, _) | (_, Component::Deep) => false,
        };
        align(&self.expanded(), &other.expanded(), true, is_deep, pair)
    }

    /// With a final `**` spelled as `*/**`: it needs at least one component.
    fn expanded(&self) -> Vec<Component> {
        let mut components = self.0.clone();
        if components.last() == Some(&Component::Deep) {
            components.insert(components.len() - 1, Component::Name(Glob::parse("*")));
        }
        components
    }
}

fn is_deep(component: &Component) -> bool {
    *component == Component::Deep
}

fn covers(ours: &[Component], theirs: &[Component]) -> bool {
    let pair = |ours: &Component, theirs: &Component| match (ours, theirs) {
        (Component::Name(ours), Component::Name(theirs)) => ours.covers(theirs),
        (Component::Deep, _) | (_, Component::Deep) => false,
    };
    align(ours, theirs, false, is_deep, pair)
}

fn matches(pattern: &[Component], names: &[&str]) -> bool {
    // reached[j]: the pattern so far against the first j names. Quadratic at worst, whatever a guest's path looks like.
    let mut reached = vec![false; names.len() + 1];
    reached[0] = true;
    for component in pattern {
        match component {
            Component::Deep => {
                for j in 0..names.len() {
                    reached[j + 1] |= reached[j];
                }
            }
            Component::Name(glob) => {
                for (j, name) in names.iter().enumerate().rev() {
                    reached[j + 1] = reached[j] && glob.matches(name);
                }
                reached[0] = false;
            }
        }
    }
    reached[names.len()]
}

fn clip(path: &str) -> String {
    path.chars().filter(|c| !c.is_control()).take(200).collect()
}

impl std::fmt::Display for PathPattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for component in &self.0 {
            match component {
                Component::Deep => f.write_str("/**")?,
                Component::Name(glob) => write!(f, "/{}", glob.pieces().join("*"))?,
            }
        }
        Ok(())
    }
}
