//! Which names people may choose for themselves and for rooms, whoever has them already.

use malote_common::Name;
use malote_common::address::{EVERYBODY, GIVEN_PREFIX, VISITOR_PREFIX};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Whether nobody may choose this name: the server gives names like it, or it stands for everybody.
pub fn is_reserved_for_people(name: &Name) -> bool {
    is_everybody(name) || [GIVEN_PREFIX, VISITOR_PREFIX].iter().any(|prefix| is_numbered(name, prefix))
}

/// Whether a room cannot be called so: it would be read like the room of everybody.
pub fn is_everybody(name: &Name) -> bool {
    Name::parse(EVERYBODY).is_ok_and(|everybody| bare(&everybody) == bare(name))
}

/// Whether it is read like the prefix followed by a number.
fn is_numbered(name: &Name, prefix: &str) -> bool {
    let Ok(prefix) = Name::parse(prefix) else { return false };
    // The digits 0 and 1 look like the letters o and l, and skeletons are made of these.
    let looks_like_digit = |c: char| c.is_numeric() || matches!(c, 'o' | 'l');
    let name = bare(name);
    name.strip_prefix(&bare(&prefix)).is_some_and(|rest| !rest.is_empty() && rest.chars().all(looks_like_digit))
}

/// What a reader takes in at a glance: the skeleton without accents and without what joins a name's parts.
fn bare(name: &Name) -> String {
    name.skeleton().nfd().filter(|c| !is_combining_mark(*c) && !matches!(c, '.' | '_' | '-')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_given_name_is_nobodys_to_choose() {
        let reserved = |typed: &str| is_reserved_for_people(&Name::parse(typed).unwrap());
        let given = ["Usuario7", "usuario07", "USUARIOl", "Usuari0O", "Usu\u{430}rio12", "Usu\u{e1}rio7", "usuario-5"];
        let others =
            ["Usuario5.", "Usuario\u{663}", "todos", "T0DOS", "tod\u{f3}s", "todos.", "visitante-3", "Visitante3"];
        for name in given.into_iter().chain(others) {
            assert!(reserved(name), "{name}");
        }
        for name in ["ana", "Usuario", "Usuarios", "Usuario-ana", "visitante", "visitante-ana", "todas", "metodos"] {
            assert!(!reserved(name), "{name}");
        }
        assert!(is_everybody(&Name::parse("Todos").unwrap()));
        assert!(!is_everybody(&Name::parse("obras").unwrap()));
    }
}
