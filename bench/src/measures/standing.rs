//! Floods of servers whose data were made before.

use std::time::Duration;

use anyhow::Result;

use super::pairs::{PATIENCE, Pairs};
use crate::filling::BODY_BYTES;
use crate::load::Agent;
use crate::load::malote::Malote;
use crate::memory::Usage;
use crate::peers::{Crowd, Site, start_at};
use crate::stage::Stage;

/// Pairs that post while something else grows.
pub const PAIRS: usize = 32;

/// Connections that a flood takes.
pub const FLOODING: usize = 2 * PAIRS;

/// Who posts in a flood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// People whom the server has never seen.
    Newcomers,
    /// The first people of a filled store.
    Known,
}

/// What a flood came to.
#[derive(Clone, Copy, Debug)]
pub struct Flood {
    /// From the start of the server's process until it said that it was ready.
    pub ready: Duration,
    /// What it held then, before anybody came.
    pub at_first: Usage,
    /// Messages a second that were accepted and delivered.
    pub per_second: f64,
    /// What it held in the end, with everybody still connected.
    pub at_last: Usage,
}

/// Starts a server without TLS at a place and lets [`PAIRS`] pairs post, while so many others of the people who are known
/// there, behind those who post, are connected and say nothing.
pub fn flood(stage: &Stage, site: &Site, who: Who, silent: usize) -> Result<Flood> {
    let crowd = Crowd { connections: FLOODING + silent };
    let (server, ready) = start_at(stage, crowd, false, site)?;
    let at_first = Usage::of(server.process.id())?;
    let (address, wire) = (server.address, server.wire.clone());
    let known = |number: usize| Ok(Box::new(Malote::known(number as u32, BODY_BYTES)?.listening()) as Box<dyn Agent>);
    let agents: Result<Vec<_>> = (0..FLOODING)
        .map(|number| match who {
            Who::Known => known(number),
            Who::Newcomers => Ok(Box::new(Malote::new(number as u32, BODY_BYTES)?) as Box<dyn Agent>),
        })
        .collect();
    let mut pairs = Pairs::of(server, true, agents?, BODY_BYTES)?;
    let others: Result<Vec<_>> = (FLOODING..FLOODING + silent).map(known).collect();
    pairs.pump().admit(address, &wire, others?, PATIENCE)?;
    pairs.flood(stage.warm_up())?;
    let pace = pairs.flood(stage.window())?;
    pairs.settle()?;
    let at_last = Usage::of(pairs.server().process.id())?;
    Ok(Flood { ready, at_first, per_second: pace.per_second, at_last })
}
