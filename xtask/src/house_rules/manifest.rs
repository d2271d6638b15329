//! The dependencies in a Cargo.toml, with their lines.

/// One dependency as it is declared.
#[derive(Debug, PartialEq)]
pub struct Dependency {
    pub name: String,
    pub line: usize,
    pub kind: Kind,
    /// Whether the workspace says which version it is.
    pub is_inherited: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    Normal,
    Dev,
    Build,
}

/// All dependencies, in the order in which they stand.
pub fn dependencies(text: &str) -> Vec<Dependency> {
    let mut found: Vec<Dependency> = Vec::new();
    let mut section = Section::Other;
    // A list can go over several lines, which are no declarations of their own.
    let mut open_brackets = 0;
    for (index, line) in text.lines().enumerate() {
        let line_number = index + 1;
        let line = line.split('#').next().unwrap_or_default().trim();
        let is_continued = open_brackets > 0;
        if !line.starts_with('[') || is_continued {
            open_brackets += line.matches(['[', '{']).count();
            open_brackets = open_brackets.saturating_sub(line.matches([']', '}']).count());
        }
        if is_continued || line.is_empty() {
            continue;
        }
        if line.starts_with('[') {
            section = Section::of(line);
            if let Section::One(kind, name) = &section {
                found.push(Dependency { name: name.clone(), line: line_number, kind: *kind, is_inherited: false });
            }
            continue;
        }
        let declaration: String = line.split_whitespace().collect();
        match (&section, found.last_mut()) {
            (Section::Many(kind), _) => {
                let name = declaration.split(['.', '=']).next().unwrap_or_default().trim_matches('"').to_owned();
                let is_inherited = declaration.contains("workspace=true");
                found.push(Dependency { name, line: line_number, kind: *kind, is_inherited });
            }
            (Section::One(..), Some(last)) => last.is_inherited |= declaration == "workspace=true",
            _ => {}
        }
    }
    found
}

enum Section {
    /// `[dependencies]`, also of a target.
    Many(Kind),
    /// `[dependencies.name]`.
    One(Kind, String),
    Other,
}

impl Section {
    fn of(header: &str) -> Section {
        let path = header.trim_matches(['[', ']']);
        let (parent, last) = path.rsplit_once('.').unwrap_or(("", path));
        if let Some(kind) = Kind::of(last) {
            return Section::Many(kind);
        }
        match Kind::of(parent.rsplit('.').next().unwrap_or_default()) {
            Some(kind) => Section::One(kind, last.trim_matches('"').to_owned()),
            None => Section::Other,
        }
    }
}

impl Kind {
    fn of(word: &str) -> Option<Kind> {
        match word {
            "dependencies" => Some(Kind::Normal),
            "dev-dependencies" => Some(Kind::Dev),
            "build-dependencies" => Some(Kind::Build),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_declaration() {
        let text = "\
[package]
name = \"x\"

[dependencies]
a.workspace = true # a remark
b = { workspace = true, features = [
    \"c\",
] }
d = \"1\"

[dev-dependencies.e]
workspace = true

[target.'cfg(unix)'.build-dependencies]
f = { path = \"../f\" }

[features]
g = []
";
        let found: Vec<_> = dependencies(text).into_iter().map(|d| (d.name, d.line, d.kind, d.is_inherited)).collect();
        let expected = [
            ("a".to_owned(), 5, Kind::Normal, true),
            ("b".to_owned(), 6, Kind::Normal, true),
            ("d".to_owned(), 9, Kind::Normal, false),
            ("e".to_owned(), 11, Kind::Dev, true),
            ("f".to_owned(), 15, Kind::Build, false),
        ];
        assert_eq!(found, expected);
    }
}
