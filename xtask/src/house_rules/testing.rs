//! How the rules are tested: on a few small files, of which it is known where they break the rule.

use super::{Finding, Tree};

/// Runs one rule on files given as path and text, and compares where it finds something: `path:line`, in order.
pub fn check(rule: fn(&Tree) -> Vec<Finding>, files: &[(&str, &str)], expected: &[&str]) {
    let tree = Tree::of(files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect());
    let found: Vec<String> = rule(&tree).iter().map(|finding| format!("{}:{}", finding.path, finding.line)).collect();
    assert_eq!(found, expected);
}
