//! The trials. Each is a function that panics where a promise is broken.

mod cables;
mod clocks;
mod damage;
mod failing;
mod floods;
mod full;
mod hostile;
mod impostors;
mod kills;
mod lines;
mod loris;
mod patience;
mod power;
mod restore;
mod stalled;
mod theft;

use rand::rngs::StdRng;

use crate::figures::Figures;

/// Something that is done to the programs, and what must hold.
pub struct Trial {
    pub name: &'static str,
    /// A short description, for a table.
    pub what: &'static str,
    pub run: fn(&mut StdRng) -> Figures,
}

impl std::fmt::Debug for Trial {
    fn fmt(&self, to: &mut std::fmt::Formatter) -> std::fmt::Result {
        to.write_str(self.name)
    }
}

/// Trials that wait for long time-outs most of the time, and can do so beside others.
pub const WAITING: &[&str] = &["half-open"];

/// Trials that show something only by their number: the long form carries them out twice in each round.
pub const OFTEN: &[&str] = &["kill-server", "kill-client", "power-cut"];

pub const ALL: &[&Trial] = &[
    &kills::SERVER,
    &kills::CLIENT,
    &power::CUTS,
    &power::FIRST,
    &power::CONTROL,
    &failing::SYNCS,
    &failing::WRITES,
    &full::FULL,
    &damage::FLIPS,
    &restore::OLD,
    &theft::THEFT,
    &impostors::IMPOSTORS,
    &full::CLIENT,
    &cables::HALF_OPEN,
    &lines::BAD_NETWORK,
    &clocks::CLOCKS,
    &hostile::FRAMES,
    &stalled::STALLED,
    &floods::MESSAGES,
    &floods::LONG,
    &patience::PATIENCE,
    &floods::ROOMS,
    &floods::NAMES,
    &floods::LISTS,
    &floods::READS,
    &floods::DEVICES,
    &floods::UNFINISHED,
    &floods::WEB_UNFINISHED,
    &floods::WEB_LONG,
    &floods::ACKNOWLEDGEMENTS,
    &floods::INQUIRIES,
    &floods::CONNECTIONS,
    &floods::LOGINS,
    &loris::LORIS,
];
