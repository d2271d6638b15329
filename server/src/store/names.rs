//! Which names people may choose for themselves and for rooms, whoever has them already.

use malote_common::Name;
use malote_common::address::{EVERYBODY, GIVEN_PREFIX, VISITOR_PREFIX};

/// Whether nobody may choose this name: the server gives names like it, or it stands for everybody.
pub fn is_reserved_for_people(name: &Name) -> bool {
    let skeleton = name.skeleton();
    is_everybody(name) || [GIVEN_PREFIX, VISITOR_PREFIX].iter().any(|prefix| is_numbered(&skeleton, prefix))
}

/// Whether a room cannot be called so: it would look like the room of everybody.
pub fn is_everybody(name: &Name) -> bool {
    name.skeleton() == EVERYBODY
}

/// Whether it looks like the prefix followed by a number.
fn is_numbered(skeleton: &str, prefix: &str) -> bool {
    // The digits 0 and 1 look like the letters o and l, and skeletons are made of these.
    let looks_like_digit = |c: char| c.is_ascii_digit() || matches!(c, 'o' | 'l');
    let Ok(example) = Name::parse(&format!("{prefix}2")) else { return false };
    let example = example.skeleton();
    let Some(prefix) = example.strip_suffix('2') else { return false };
    skeleton.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty() && rest.chars().all(looks_like_digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_given_name_is_nobodys_to_choose() {
        let reserved = |typed: &str| is_reserved_for_people(&Name::parse(typed).unwrap());
        for name in
            ["Usuario7", "usuario07", "USUARIOl", "Usuari0O", "Usu\u{430}rio12", "todos", "T0DOS", "visitante-3"]
        {
            assert!(reserved(name), "{name}");
        }
        for name in ["ana", "Usuario", "Usuarios", "Usuario-7", "visitante", "visitante-ana", "todas", "metodos"] {
            assert!(!reserved(name), "{name}");
        }
        assert!(is_everybody(&Name::parse("Todos").unwrap()));
        assert!(!is_everybody(&Name::parse("obras").unwrap()));
    }
}
