//! Whole conversations with the server: sessions and a post office over a store in memory, spoken to by people who do as they
//! like, several of them at a time.

mod guest;
mod script;
mod table;

use arbitrary::{Arbitrary, Unstructured};

use script::Step;
use table::Table;

/// Steps of one conversation: what can go wrong goes wrong in fewer.
const STEPS: usize = 200;

/// The bytes are a conversation: its steps one after the other.
pub fn check(bytes: &[u8]) {
    let mut bytes = Unstructured::new(bytes);
    let mut table = Table::new();
    for _ in 0..STEPS {
        if bytes.is_empty() {
            break;
        }
        let Ok(step) = Step::arbitrary(&mut bytes) else { break };
        table.carry_out(&step);
    }
    table.end();
}

/// Conversations that mean well to begin with, as the bytes that make them.
pub fn seeds() -> Vec<Vec<u8>> {
    let log_in = crate::bytes_of::<Step>(1, |step| matches!(step, Step::LogIn { .. }));
    let other = crate::bytes_of::<Step>(0, |step| matches!(step, Step::LogIn { .. }));
    let rest: [fn(&Step) -> bool; 8] = [
        |step| matches!(step, Step::ReadAll { .. }),
        |step| matches!(step, Step::Enter { .. }),
        |step| matches!(step, Step::Write { .. }),
        |step| matches!(step, Step::Commit),
        |step| matches!(step, Step::Resume { .. }),
        |step| matches!(step, Step::Again { .. }),
        |step| matches!(step, Step::TakeName { .. }),
        |step| matches!(step, Step::People { .. }),
    ];
    let rest: Vec<Vec<u8>> = rest.into_iter().map(|is_wanted| crate::bytes_of(1, is_wanted)).collect();
    let all = [log_in, other, rest.concat()].concat();
    rest.iter().map(|step| [&all[..], &step.repeat(3), &rest.concat()].concat()).collect()
}
