//! Rules of this project that neither the compiler nor clippy knows, checked by program. `RULES` is the list; what each of
//! them demands and why is written at its function.

mod architecture;
mod hygiene;
mod manifest;
mod rust;
#[cfg(test)]
mod testing;
mod texts;
mod tree;

use std::fmt;

pub use tree::Tree;

/// One rule: what it demands, in the words of the report, and the function that finds what breaks it.
pub struct Rule {
    pub demand: &'static str,
    pub find: fn(&Tree) -> Vec<Finding>,
}

pub const RULES: &[Rule] = &[
    Rule { demand: "no I/O and no clock in common", find: architecture::common_is_pure },
    Rule { demand: "egui in gui-client only", find: architecture::toolkit_in_the_window_only },
    Rule { demand: "bincode in one file", find: architecture::bincode_in_one_file },
    Rule { demand: "server and client do not depend on each other", find: architecture::server_and_client_apart },
    Rule { demand: "colours in the theme only", find: architecture::colors_in_the_theme_only },
    Rule { demand: "texts in the translations only", find: texts::in_the_translations_only },
    Rule { demand: "no unwrap and no expect", find: hygiene::nothing_is_unwrapped },
    Rule { demand: "no long files without a reason", find: hygiene::long_files_say_why },
    Rule { demand: "no paths of a machine", find: hygiene::no_paths_of_a_machine },
    Rule { demand: "versions of dependencies in one place", find: hygiene::versions_in_one_place },
];

/// One place where a rule is broken.
#[derive(Debug, PartialEq)]
pub struct Finding {
    pub path: String,
    /// Counted from one.
    pub line: usize,
    /// A sentence that says what to do.
    pub advice: String,
}

impl Finding {
    fn new(path: &str, line: usize, advice: impl Into<String>) -> Finding {
        Finding { path: path.to_owned(), line, advice: advice.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.advice)
    }
}
