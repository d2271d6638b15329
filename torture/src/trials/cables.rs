//! Two computers on a cable, and connections that are open at one end only: the cable is pulled out, or an address changes.

use std::ops::Range;
use std::panic::resume_unwind;
use std::thread;
use std::time::{Duration, Instant};

use malote_tests::hosts::{CLIENT, Cable, PORT, SERVER, Server, data};
use malote_tests::wait_for;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tempfile::TempDir;

use super::Trial;
use crate::figures::Figures;
use crate::people::People;

pub const HALF_OPEN: Trial = Trial {
    name: "half-open",
    what: "the cable between two computers is pulled out without a goodbye, or an address changes, while people write",
    run: half_open,
};

/// Within this time silence is to be noticed …
const NOTICED_WITHIN: Duration = Duration::from_secs(45);

/// … on a computer that is not very busy with something else.
const SLACK: Duration = Duration::from_secs(15);

/// People at each end of the cable.
const PEOPLE: usize = 2;

/// Messages that one person writes at once, at most.
const BURST: usize = 20;

/// The addresses to which one of the computers moves.
const NEW_CLIENT: &str = "10.77.0.3";
const NEW_SERVER: &str = "10.77.0.9";

/// Each scene waits for the better part of a minute, so all wait at the same time.
fn half_open(plan: &mut StdRng) -> Figures {
    let scenes: [fn(&mut StdRng) -> Option<Figures>; 3] = [cable_is_cut, client_moves, server_moves];
    thread::scope(|scope| {
        let threads = scenes.map(|scene| {
            let mut plan = StdRng::seed_from_u64(plan.random());
            scope.spawn(move || scene(&mut plan))
        });
        let mut figures = Figures::default();
        for thread in threads {
            let scene = thread.join().unwrap_or_else(|panic| resume_unwind(panic));
            figures.add(scene.unwrap_or_else(|| Figures::default().count("left out", 1)));
        }
        figures
    })
}

/// A server at one end of a cable, and people at both.
struct Scene {
    // In this order they end.
    people: People,
    server: Server,
    data: TempDir,
    cable: Cable,
}

/// The places of those who sit at the server's computer.
fn here() -> Range<usize> {
    0..PEOPLE
}

/// The places of those at the other one.
fn there() -> Range<usize> {
    PEOPLE..2 * PEOPLE
}

impl Scene {
    /// Everybody is connected and has written to everybody.
    fn start(plan: &mut StdRng) -> Option<Scene> {
        let cable = Cable::lay("half-open")?;
        let data = data();
        let server = cable.server.serve(data.path(), &["--lan"]);
        let mut people = People::none();
        for (host, address, places) in [(&cable.server, "127.0.0.1", here()), (&cable.client, SERVER, there())] {
            host.visit(|| places.for_each(|_| people.admit(&format!("{address}:{PORT}"))));
        }
        wait_for("everybody's being seen", || there().all(|other| people.sees(0, other)).then_some(()));
        people.all_write(plan, BURST);
        people.settle();
        Some(Scene { people, server, data, cable })
    }

    /// Everybody goes on writing until the other end is missed, here and there. Returns how long each took.
    fn missed(&mut self, plan: &mut StdRng) -> [Duration; 2] {
        let begun = Instant::now();
        self.people.all_write(plan, BURST);
        let (mut by_client, mut by_server) = (None, None);
        wait_for("the notice at both ends", || {
            if there().all(|place| !self.people.is_online(place)) {
                by_client.get_or_insert_with(|| begun.elapsed());
            }
            if there().all(|other| !self.people.sees(0, other)) {
                by_server.get_or_insert_with(|| begun.elapsed());
            }
            by_client.zip(by_server)
        });
        let noticed = [by_client, by_server].map(Option::unwrap_or_default);
        assert!(noticed.iter().all(|time| *time < NOTICED_WITHIN + SLACK), "noticed after {noticed:?} only");
        noticed
    }

    /// Waits until everything has arrived, and checks that it has arrived once. Returns how long it took.
    fn end(mut self) -> (Duration, u64) {
        let begun = Instant::now();
        self.people.settle();
        let settled = begun.elapsed();
        self.server.stop();
        self.people.check();
        self.people.check_store(&self.data.path().join("store.db"));
        (settled, self.people.written())
    }
}

fn cable_is_cut(plan: &mut StdRng) -> Option<Figures> {
    let mut scene = Scene::start(plan)?;
    scene.people.all_write(plan, BURST);
    scene.cable.client.unplug();
    let [by_client, by_server] = scene.missed(plan);
    scene.people.all_write(plan, BURST);
    scene.cable.client.plug_in();
    let (settled, written) = scene.end();
    Some(
        Figures::default()
            .count("cables cut", 1)
            .count("messages", written)
            .longest("a client's notice of it", by_client)
            .longest("the server's notice of it", by_server)
            .longest("until everything was there after the cable was", settled),
    )
}

fn client_moves(plan: &mut StdRng) -> Option<Figures> {
    let mut scene = Scene::start(plan)?;
    scene.people.all_write(plan, BURST);
    scene.cable.client.renumber(CLIENT, NEW_CLIENT);
    scene.people.all_write(plan, BURST);
    let (settled, written) = scene.end();
    assert!(settled < NOTICED_WITHIN + SLACK, "everything was there after {settled:?} only");
    Some(
        Figures::default()
            .count("new addresses of clients", 1)
            .count("messages", written)
            .longest("until everything was there after that", settled),
    )
}

/// Its people choose the server anew, as its announcement shows it; to their profiles it is the same one, by its key.
fn server_moves(plan: &mut StdRng) -> Option<Figures> {
    let mut scene = Scene::start(plan)?;
    scene.people.all_write(plan, BURST);
    scene.cable.server.renumber(SERVER, NEW_SERVER);
    let [by_client, by_server] = scene.missed(plan);
    let Scene { people, cable, .. } = &mut scene;
    cable.client.visit(|| people.move_to(&format!("{NEW_SERVER}:{PORT}"), there()));
    scene.people.all_write(plan, BURST);
    let (settled, written) = scene.end();
    Some(
        Figures::default()
            .count("new addresses of servers", 1)
            .count("messages", written)
            .longest("a client's notice of a new address", by_client)
            .longest("the server's notice of its own", by_server)
            .longest("until everything was there after the server was found again", settled),
    )
}
